"""The session per bearer token: single flight, isolation, expiry, bounds."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import ApiError, InvalidToken, ServiceUnavailable, Throttled
from shared.exchange.downstream_token import DownstreamToken, Refusal
from shared.net import within
from shared.services import Services
from shared.sessions import Scopes, Sessions
from shared.settings.authority import Authority
from shared.validation.access_token import ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once, finish_background_work
from tests.support.tokens import STRANGER

AUTHORITY = Authority("https://login.example", "tenant", "client")


def test_fifty_threads_with_one_cold_token_cost_one_exchange_per_scope_set(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    mark = lab.stack.audit.mark()
    names = at_once(50, lambda number: call(lab, services, token, number))
    assert set(names) == {"Alice Ahlberg", "orders"}
    assert sorted(entry.status for entry in lab.exchanges(mark)) == [200, 200]


def call(lab: Lab, services: Services, token: str, number: int) -> str:
    """Graph for every other thread, a token for the Orders API for the rest."""
    if number % 2:
        return lab.me(services, token)
    assert lab.user(services, token).token("Orders")
    return "orders"


def test_a_known_token_costs_nothing(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.user(services, token).token("Graph")
    mark = lab.stack.audit.mark()
    for _ in range(20):
        lab.user(services, token).token("Graph")
    assert lab.stack.audit.entries(mark) == []


def test_two_people_interleaved_on_32_threads_never_get_each_others_response(lab: Lab) -> None:
    services = lab.services()
    people = {"alice": "Alice Ahlberg", "olga": "Olga Olsen"}
    tokens = {person: [lab.stack.issue_access_token(person) for _ in range(3)] for person in people}

    def rounds(number: int) -> set[tuple[str, str]]:
        person = ("alice", "olga")[number % 2]
        return {(people[person], lab.me(services, tokens[person][turn % 3])) for turn in range(6)}

    for responses in at_once(32, rounds):
        assert all(expected == answered for expected, answered in responses)


def test_the_same_user_with_another_token_is_another_session(lab: Lab) -> None:
    services = lab.services()
    first, second = (lab.stack.issue_access_token("alice") for _ in range(2))
    assert lab.user(services, first).token("Graph") != lab.user(services, second).token("Graph")
    mark = lab.stack.audit.mark()
    lab.user(services, first).token("Graph")
    assert lab.stack.audit.entries(mark) == []
    assert len(services.sessions) == 2


def test_a_token_is_forgotten_when_it_expires(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=600)
    lab.user(services, token).token("Graph")
    lab.clock.forward(600 + 61)
    with pytest.raises(InvalidToken, match="expired"):
        lab.user(services, token)
    assert len(services.sessions) == 0


def test_a_downstream_token_is_renewed_before_it_ends(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=3 * 3600)
    lab.user(services, token).token("Graph")
    lab.clock.forward(3600 * 2)
    mark = lab.stack.audit.mark()
    lab.user(services, token).token("Graph")
    assert [entry.status for entry in lab.exchanges(mark)] == [200]


class Exchanger:
    """Replaces Entra in tests that are only about the sessions."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.calls, self.fail = clock, 0, False

    def exchange(
        self,
        assertion: str,
        scopes: Sequence[str],
        *,
        authority: Authority,
        correlation_id: str,
        refusal: Refusal | None = None,
    ) -> DownstreamToken:
        self.calls += 1
        if self.fail:
            raise ServiceUnavailable(retry_after=1)
        token = f"{assertion}/{' '.join(scopes)}/{refusal.claims if refusal else None}/{self.calls}"
        return DownstreamToken(token, self.clock() + 3600, self.clock() + 3300)


class Validator:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.calls = clock, 0
        self.key = SigningKey(STRANGER.public_key())

    def validate(self, token: str) -> ValidatedToken:
        self.calls += 1
        return ValidatedToken(
            b"{}", self.clock() + 3600, frozenset({"s"}), "kid", self.key, "oid", "pseudonym", AUTHORITY
        )

    def still_valid(self, key_id: str, key: SigningKey) -> bool:
        return key is self.key


Parts = tuple[Clock, Validator, Exchanger]


@pytest.fixture
def parts() -> Parts:
    clock = Clock()
    return clock, Validator(clock), Exchanger(clock)


def sessions_of(parts: Parts, bound: int = 10) -> Sessions:
    clock, validator, exchanger = parts
    return Sessions(validator, validator, exchanger, clock, bound, 10**9)


def token_of(sessions: Sessions, bearer: str, refusal: Refusal | None = None, scopes: Scopes = ("a",)) -> str:
    return sessions.token_for(sessions.open(bearer), bearer, scopes, correlation_id="id", refusal=refusal).token


def test_the_log_tells_once_an_hour_that_sessions_make_room_for_others(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    sessions, clock = sessions_of(parts, bound=3), parts[0]
    for bearer in "abc":
        sessions.open(bearer)
    assert caplog.messages == []
    for bearer in "defg":
        sessions.open(bearer)
    for _ in range(3):
        clock.forward(3600)
        sessions.open("h")
    told = [message for message in caplog.messages if "TokenCache__MaxSessions" in message]
    assert [re.findall(r"^(\d+) sessions were evicted", message) for message in told] == [["1"], ["4"]]


def test_the_bound_holds_and_the_least_recently_used_goes(parts: Parts) -> None:
    sessions = sessions_of(parts, bound=3)
    for bearer in ("a", "b", "c"):
        sessions.open(bearer)
    sessions.open("a")
    sessions.open("d")
    assert len(sessions) == 3
    validated = parts[1].calls
    sessions.open("a")
    assert parts[1].calls == validated
    sessions.open("b")
    assert parts[1].calls == validated + 1


def test_a_withdrawn_key_ends_the_session_at_once(parts: Parts) -> None:
    sessions = sessions_of(parts)
    sessions.open("a")
    parts[1].key = replace(parts[1].key, issuers=frozenset({"new"}))
    assert sessions.find("a") is None
    assert len(sessions) == 0


def test_a_refused_downstream_token_is_exchanged_once_more_with_the_claims(parts: Parts) -> None:
    sessions = sessions_of(parts)
    refused = token_of(sessions, "a")
    renewed = token_of(sessions, "a", Refusal(refused, '{"c":1}'))
    assert '{"c":1}' in renewed
    assert token_of(sessions, "a", Refusal(refused, '{"c":1}')) == renewed  # another thread was refused the same token
    assert token_of(sessions, "a") == renewed
    assert parts[2].calls == 2


def test_a_token_that_was_just_refused_never_comes_back_from_the_exchange_of_another(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads, equal claims: the second token is refused before the exchange for the first has ended."""
    sessions, claims = sessions_of(parts), '{"c":1}'
    session = sessions.open("a")
    first = token_of(sessions, "a")
    exchanged_again, responses = threading.Event(), list[str]()
    resize, others = sessions._sessions.resize, list[threading.Thread]()

    def resize_slowly(*arguments: Any) -> None:
        """The second token is kept by now; a thread that uses it is refused, too."""
        resize(*arguments)
        if not others:
            second = session.downstream_tokens[("a",)].token
            again = threading.Thread(target=lambda: responses.append(token_of(sessions, "a", Refusal(second, claims))))
            others.append(again)
            again.start()
            exchanged_again.wait(2)
        elif parts[2].calls == 3:
            exchanged_again.set()

    monkeypatch.setattr(sessions._sessions, "resize", resize_slowly)
    second = token_of(sessions, "a", Refusal(first, claims))
    others[0].join(10)
    assert responses != [second]
    assert parts[2].calls == 3


def test_while_entra_is_down_a_token_due_for_renewal_goes_on_to_its_end(parts: Parts) -> None:
    sessions = sessions_of(parts)
    first = token_of(sessions, "a")
    parts[0].forward(3301)
    parts[2].fail = True
    assert token_of(sessions, "a") == first
    finish_background_work()
    with pytest.raises(ServiceUnavailable):
        token_of(sessions, "a", Refusal(first, "{}"))  # but not when the API has refused it
    parts[0].forward(280)
    with pytest.raises(ApiError):
        token_of(sessions, "a")


def test_nothing_secret_shows(parts: Parts) -> None:
    sessions = sessions_of(parts)
    session = sessions.open("a")
    token_of(sessions, "a")
    shown = f"{session!r} {session.access_token!r} {session.downstream_tokens!r} {Refusal('secret', '{}')!r}"
    assert "secret" not in shown
    assert "a/a/" not in shown
    assert "b'{}'" not in shown


def test_a_refused_token_is_dropped_even_while_entra_asks_to_wait(parts: Parts) -> None:
    sessions = sessions_of(parts)
    session, refused = sessions.open("a"), token_of(sessions, "a")
    session.throttle(("a",), parts[0](), 30)
    with pytest.raises(Throttled):
        token_of(sessions, "a", Refusal(refused))
    assert session.downstream_tokens == {}


def test_an_error_is_not_kept(parts: Parts) -> None:
    sessions = sessions_of(parts)
    parts[2].fail = True
    for _ in range(2):
        with pytest.raises(ApiError):
            token_of(sessions, "a")
    parts[2].fail = False
    assert token_of(sessions, "a")
    assert parts[2].calls == 3


def test_tokens_of_one_session_are_told_apart_by_scopes_and_are_bounded(parts: Parts) -> None:
    sessions = sessions_of(parts)
    for number in range(40):
        assert f"/s{number}/" in token_of(sessions, "a", scopes=(f"s{number}",))
    assert len(sessions.open("a").downstream_tokens) == 16


def test_a_request_that_waits_too_long_for_the_exchange_of_another_is_told_to_come_again(parts: Parts) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(Exchanger):
        def exchange(self, *arguments: Any, **named: Any) -> DownstreamToken:
            begun.set()
            may_end.wait(60)
            return super().exchange(*arguments, **named)

    sessions = sessions_of((parts[0], parts[1], Slow(parts[0])))
    first = threading.Thread(target=token_of, args=(sessions, "a"))
    first.start()
    try:
        assert begun.wait(60)
        with within(0, parts[0]), pytest.raises(ServiceUnavailable, match="waited too long for another thread"):
            token_of(sessions, "a")
    finally:
        may_end.set()
        first.join(60)
