"""Signing keys: rolled over, withdrawn, bogus by the thousand, and Entra down."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from emulators.people import CONTOSO, FABRIKAM
from maintainers.tests.faults.api import Api
from maintainers.tests.faults.short_timeouts import ShortTimeouts
from shared.errors import InvalidToken, ServiceUnavailable
from shared.net.transport import Transport, TransportError
from shared.services import Services
from shared.validation import signing_keys
from shared.validation.access_token import AccessTokenValidator
from shared.validation.jws import SigningKey, parse_key_set
from shared.validation.signing_keys import (
    COOLDOWN_SECONDS,
    EMPTY_COOLDOWN_SECONDS,
    MAX_AGE_SECONDS,
    NEXT_FETCH_SECONDS,
    RECENT_SECONDS,
    SigningKeys,
)
from tests.support.clock import Clock
from tests.support.genuine import GONE, Genuine, changed
from tests.support.lab import Lab, at_once, finish_background_work
from tests.support.tokens import STRANGER, parts, signed

AUTHORITY = f"https://login.microsoftonline.com/{CONTOSO}"


def bogus(lab: Lab, number: int) -> str:
    """A forged token with a key id that Entra does not know."""
    header, claims = parts(lab.stack.issue_access_token("alice"))
    return signed({**header, "kid": f"bogus-{number}"}, claims, STRANGER)


def test_nothing_is_fetched_before_the_first_token_and_once_after_it(lab: Lab) -> None:
    mark = lab.stack.audit.mark()
    services = lab.services()
    assert lab.stack.audit.entries(mark) == []
    for _ in range(3):
        services.sessions.open(lab.stack.issue_access_token("alice"))
    assert len(lab.seen(mark, "keys")) == 1


def test_many_first_tokens_at_once_cost_one_fetch(lab: Lab) -> None:
    services, mark = lab.services(), lab.stack.audit.mark()
    tokens = [lab.stack.issue_access_token("alice") for _ in range(20)]
    at_once(20, lambda number: services.sessions.open(tokens[number]))
    assert len(lab.seen(mark, "keys")) == 1


def test_a_new_key_is_fetched_when_the_first_token_names_it(lab: Lab) -> None:
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    lab.stack.roll_signing_key()
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    mark = lab.stack.audit.mark()
    assert services.sessions.open(lab.stack.issue_access_token("alice"))
    assert len(lab.seen(mark, "keys")) == 1


def test_a_storm_of_bogus_key_ids_costs_one_fetch_and_good_ones_do_not_wait_for_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 60.0)  # all of them wait for the fetch
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    mark = lab.stack.audit.mark()
    lab.stack.faults.add("entra.keys", delay=1.5)

    def refused(number: int) -> None:
        with pytest.raises(InvalidToken):
            services.sessions.open(bogus(lab, number))

    storm = threading.Thread(target=at_once, args=(20, refused))
    storm.start()
    while not services.signing_keys._fetches._running:  # until the fetch is under way
        threading.Event().wait(0.001)
    assert services.sessions.open(lab.stack.issue_access_token("alice"))
    assert storm.is_alive()  # the good token succeeded while the fetch for the bogus ones still hung
    storm.join(20)
    assert len(lab.seen(mark, "keys")) == 1


def test_after_a_failed_fetch_the_cooldown_holds_too(lab: Lab) -> None:
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    lab.stack.faults.add("entra.keys", status=503)
    mark = lab.stack.audit.mark()
    for number in range(5):
        with pytest.raises(ServiceUnavailable) as raised:  # nobody knows whether Entra has that key
            services.sessions.open(bogus(lab, number))
        assert 1 <= raised.value.retry_after <= NEXT_FETCH_SECONDS
    assert len(lab.seen(mark, "keys")) == 1
    lab.stack.faults.clear()
    lab.clock.forward(NEXT_FETCH_SECONDS)
    with pytest.raises((ServiceUnavailable, InvalidToken)):  # asks again, and does not wait; it may be there already
        services.sessions.open(bogus(lab, 6))
    finish_background_work()
    with pytest.raises(InvalidToken):
        services.sessions.open(bogus(lab, 7))


def look_again(services: Services, token: str) -> None:
    """A call that starts a fetch of the keys in the background, and the end of that fetch."""
    with suppress(InvalidToken):  # it may have ended during the call already
        services.sessions.open(token)
    finish_background_work()


def test_a_withdrawn_key_ends_its_sessions(lab: Lab) -> None:
    """A key is withdrawn when two responses lack it, the second one some seconds after the first."""
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=3 * MAX_AGE_SECONDS)
    services.sessions.open(token)
    lab.stack.roll_signing_key(withdraw_old=True)
    lab.clock.forward(MAX_AGE_SECONDS + 1)
    mark = lab.stack.audit.mark()
    look_again(services, token)
    lab.clock.forward(NEXT_FETCH_SECONDS)
    look_again(services, token)
    with pytest.raises(InvalidToken, match="unknown signing key"):
        services.sessions.open(token)
    assert len(services.sessions) == 0
    assert len(lab.seen(mark, "keys")) <= 3  # the last one for a key id that is unknown by then


@pytest.mark.parametrize("idle", [2 * MAX_AGE_SECONDS, 30 * 24 * 3600.0])
def test_a_key_withdrawn_while_nobody_called_is_refused(lab: Lab, idle: float) -> None:
    """Fresh tokens every time, so that no session is ever hit: what a thief of the withdrawn key would send."""
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    stolen = lab.stack.entra.keys.current.key
    header, claims = parts(lab.stack.issue_access_token("alice", lifetime=2 * idle))
    lab.stack.roll_signing_key(withdraw_old=True)
    lab.clock.forward(idle)
    mark = lab.stack.audit.mark()
    for number in range(3):
        with pytest.raises(ServiceUnavailable, match="key lists differ") as raised:
            services.sessions.open(signed(header, {**claims, "uti": str(number)}, stolen))
        assert 1 <= raised.value.retry_after <= NEXT_FETCH_SECONDS
    assert len(lab.seen(mark, "keys")) == 1
    lab.clock.forward(NEXT_FETCH_SECONDS)
    for number in range(3):
        with pytest.raises(InvalidToken, match="unknown signing key"):
            services.sessions.open(signed(header, {**claims, "uti": str(number)}, stolen))
    assert len(lab.seen(mark, "keys")) <= 3


@pytest.mark.parametrize("idle", [2 * MAX_AGE_SECONDS, 24 * 3600.0])
def test_a_session_does_not_outlive_the_key_that_was_withdrawn_while_nobody_called(lab: Lab, idle: float) -> None:
    """The very token that opened the session: Entra gives clients with claims challenges tokens of a day and more."""
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=2 * idle)
    services.sessions.open(token)
    lab.stack.roll_signing_key(withdraw_old=True)
    lab.clock.forward(idle)
    mark = lab.stack.audit.mark()
    with pytest.raises(ServiceUnavailable, match="key lists differ"):
        services.sessions.open(token)
    assert len(lab.seen(mark, "keys")) == 1
    lab.clock.forward(NEXT_FETCH_SECONDS)
    with pytest.raises(InvalidToken, match="unknown signing key"):
        services.sessions.open(token)


def test_after_two_idle_hours_a_session_waits_for_the_keys_and_keeps_its_tokens(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=10 * MAX_AGE_SECONDS)
    session = services.sessions.open(token)
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    mark = lab.stack.audit.mark()
    assert services.sessions.find(token) is None
    assert services.sessions.open(token) is session
    assert services.sessions.find(token) is session
    assert len(lab.seen(mark, "keys")) == 1


def test_after_two_idle_hours_a_session_goes_on_while_entra_fails(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=10 * MAX_AGE_SECONDS)
    session = services.sessions.open(token)
    lab.stack.faults.add("entra.discovery", status=500)
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    assert services.sessions.open(token) is session
    assert services.sessions.find(token) is session  # nobody waits for the next try


def two_keys(lab: Lab) -> tuple[Services, Genuine, str]:
    """Entra lists two keys; services know both; a genuine token that the older one signed, and the id of that key."""
    older = lab.stack.entra.keys.current
    genuine = Genuine.taken_apart(lab.stack.issue_access_token("alice", lifetime=10 * MAX_AGE_SECONDS), older)
    lab.stack.roll_signing_key()
    services = lab.services()
    services.sessions.open(genuine.token())
    return services, genuine, older.x5t


def test_one_response_that_lacks_a_key_costs_nobody_anything(lab: Lab) -> None:
    services, genuine, kid = two_keys(lab)
    session = services.sessions.open(genuine.token())
    lab.clock.forward(MAX_AGE_SECONDS)
    lab.stack.faults.add("entra.keys", without=[kid], times=1)
    mark = lab.stack.audit.mark()
    look_again(services, genuine.token())
    assert [entry.verdict for entry in lab.seen(mark, "keys")] == [f"fault: without key {kid}; ok: signing keys"]
    assert services.sessions.open(genuine.token()) is session
    assert services.sessions.open(genuine.with_claims(uti="new"))
    lab.clock.forward(NEXT_FETCH_SECONDS)
    look_again(services, genuine.token())
    assert len(lab.seen(mark, "keys")) == 2
    for later in (NEXT_FETCH_SECONDS, RECENT_SECONDS):
        lab.clock.forward(later)
        assert services.sessions.open(genuine.token()) is session
    assert len(lab.seen(mark, "keys")) == 2  # the second response had it: no third is needed


def test_responses_that_differ_by_turns_for_hours_end_no_session(lab: Lab) -> None:
    services, genuine, kid = two_keys(lab)
    session = services.sessions.open(genuine.token())
    lab.stack.faults.add("entra.keys", without=[kid], every=2)
    mark = lab.stack.audit.mark()
    for step in range(40):
        lab.clock.forward((MAX_AGE_SECONDS / 10, NEXT_FETCH_SECONDS)[step % 2])
        with suppress(InvalidToken, ServiceUnavailable):
            services.sessions.open(bogus(lab, step))
        assert services.sessions.open(genuine.token()) is session
        assert services.sessions.open(genuine.with_claims(uti=str(step)))
        finish_background_work()  # before the clock jumps, which would end a fetch that is under way
    assert len(lab.seen(mark, "keys")) > 20


def test_a_look_just_after_the_first_is_not_the_second_one(lab: Lab) -> None:
    """An unknown key id may cause a fetch right after a refresh. The same server may respond."""
    services, genuine, kid = two_keys(lab)
    lab.clock.forward(MAX_AGE_SECONDS)
    lab.stack.faults.add("entra.keys", without=[kid], times=2)
    mark = lab.stack.audit.mark()
    look_again(services, genuine.token())
    with pytest.raises(InvalidToken):
        services.sessions.open(bogus(lab, 1))
    assert len(lab.seen(mark, "keys")) == 2
    assert services.sessions.open(genuine.with_claims(uti="new"))


def test_a_key_that_is_missed_while_entra_fails_is_good_for_two_hours_and_then_unknown(lab: Lab) -> None:
    services, genuine, kid = two_keys(lab)
    lab.clock.forward(MAX_AGE_SECONDS)
    lab.stack.faults.add("entra.keys", without=[kid], times=1)
    look_again(services, genuine.token())
    lab.stack.faults.add("entra.keys", status=503)
    lab.clock.forward(MAX_AGE_SECONDS - 1)
    assert services.sessions.open(genuine.with_claims(uti="1"))
    finish_background_work()
    lab.clock.forward(NEXT_FETCH_SECONDS)
    with pytest.raises(ServiceUnavailable, match="could not be fetched"):
        services.sessions.open(genuine.with_claims(uti="2"))
    lab.stack.faults.clear()
    lab.clock.forward(NEXT_FETCH_SECONDS)
    assert services.sessions.open(genuine.with_claims(uti="3"))


def test_after_two_idle_hours_one_response_that_lacks_a_key_is_no_401(lab: Lab) -> None:
    services, genuine, kid = two_keys(lab)
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    lab.stack.faults.add("entra.keys", without=[kid], times=1)
    with pytest.raises(ServiceUnavailable, match="key lists differ"):
        services.sessions.open(genuine.with_claims(uti="1"))
    lab.clock.forward(NEXT_FETCH_SECONDS)
    assert services.sessions.open(genuine.with_claims(uti="2"))


def test_a_refresh_by_age_is_not_the_try_that_an_unknown_id_has(lab: Lab) -> None:
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    lab.clock.forward(MAX_AGE_SECONDS)
    mark = lab.stack.audit.mark()
    look_again(services, lab.stack.issue_access_token("alice"))
    assert len(lab.seen(mark, "keys")) == 1
    lab.stack.roll_signing_key()
    assert services.sessions.open(lab.stack.issue_access_token("alice"))
    assert len(lab.seen(mark, "keys")) == 2


def test_the_first_fetch_of_all_is_not_that_try_either(lab: Lab) -> None:
    """An instance that starts during a rollover may first get the response with fewer keys."""
    kid = lab.stack.entra.keys.current.x5t
    lab.stack.roll_signing_key()
    other = lab.stack.entra.keys.current.x5t
    lab.stack.faults.add("entra.keys", without=[other], times=1)
    mark = lab.stack.audit.mark()
    assert lab.services().sessions.open(lab.stack.issue_access_token("alice")).access_token.key_id == other != kid
    assert len(lab.seen(mark, "keys")) == 2


def test_while_responses_differ_an_unknown_key_id_is_503_and_a_minute_later_401(lab: Lab) -> None:
    api, (_, genuine, kid) = Api(lab, ShortTimeouts(lab.clock)), two_keys(lab)
    assert api.call("me", genuine.token()).status == 200
    lab.clock.forward(COOLDOWN_SECONDS)
    lab.stack.faults.add("entra.keys", without=[kid], times=1)
    mark = lab.stack.audit.mark()
    reply = api.call("me", bogus(lab, 1))
    assert (reply.status, reply.problem["code"]) == (503, "temporarily_unavailable")
    assert 1 <= (reply.retry_after or 0) <= NEXT_FETCH_SECONDS
    assert len(lab.seen(mark, "keys")) == 1
    lab.clock.forward(RECENT_SECONDS)
    assert api.call("me", genuine.token()).status == 200
    finish_background_work()
    lab.clock.forward(RECENT_SECONDS)
    reply = api.call("me", bogus(lab, 2))
    assert (reply.status, reply.problem["code"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


def test_while_key_lists_differ_strangers_have_no_more_tries_than_before(lab: Lab) -> None:
    services, genuine, kid = two_keys(lab)
    lab.stack.faults.add("entra.keys", without=[kid], every=2)
    lab.clock.forward(COOLDOWN_SECONDS)
    mark = lab.stack.audit.mark()
    for number in range(50):
        with pytest.raises((InvalidToken, ServiceUnavailable)):
            services.sessions.open(bogus(lab, number))
        lab.clock.forward((COOLDOWN_SECONDS - 2) / 50)
    assert len(lab.seen(mark, "keys")) == 1
    assert services.sessions.open(genuine.with_claims(uti="new"))


NO_KEYS: list[dict[str, object]] = [
    {"keys": []},
    {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec", "use": "sig"}]},
]


@pytest.mark.parametrize("nothing", NO_KEYS, ids=["empty", "elliptic"])
def test_when_entra_withdraws_all_its_keys_nobody_gets_in(lab: Lab, nothing: dict[str, object]) -> None:
    services, genuine, _ = two_keys(lab)
    session = services.sessions.open(genuine.token())
    lab.clock.forward(MAX_AGE_SECONDS)
    empty = lab.stack.faults.add("entra.keys", status=200, body=nothing)
    look_again(services, genuine.token())
    assert services.sessions.open(genuine.token()) is session  # one such response may be a mistake
    lab.clock.forward(NEXT_FETCH_SECONDS)
    look_again(services, genuine.token())
    for token in (genuine.token(), lab.stack.issue_access_token("alice")):
        with pytest.raises(ServiceUnavailable, match="could not be fetched") as raised:
            services.sessions.open(token)
        assert 1 <= raised.value.retry_after <= EMPTY_COOLDOWN_SECONDS
    assert len(services.sessions) == 0
    lab.stack.faults.remove(empty)
    lab.clock.forward(EMPTY_COOLDOWN_SECONDS)
    assert services.sessions.open(genuine.token())


@pytest.mark.parametrize("response", [{}, {"keys": None}, {"keys": {}}, []], ids=str)
def test_what_is_no_key_set_withdraws_nothing(lab: Lab, response: object) -> None:
    services, genuine, _ = two_keys(lab)
    lab.clock.forward(MAX_AGE_SECONDS)
    lab.stack.faults.add("entra.keys", status=200, body=response)
    for number in range(3):
        look_again(services, genuine.with_claims(uti=str(number)))
        lab.clock.forward(NEXT_FETCH_SECONDS)
    assert services.sessions.open(genuine.with_claims(uti="new"))


def test_new_tokens_alone_keep_the_keys_fresh(lab: Lab) -> None:
    services = lab.services()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    lab.clock.forward(MAX_AGE_SECONDS)
    mark = lab.stack.audit.mark()
    services.sessions.open(lab.stack.issue_access_token("alice"))
    finish_background_work()
    assert len(lab.seen(mark, "keys")) == 1


def test_entra_down_keeps_the_last_good_set(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice", lifetime=3 * MAX_AGE_SECONDS)
    services.sessions.open(token)
    lab.stack.faults.add("entra.keys", status=500)
    lab.stack.faults.add("entra.discovery", status=500)
    lab.clock.forward(MAX_AGE_SECONDS + 1)
    mark = lab.stack.audit.mark()
    for _ in range(3):
        assert services.sessions.open(token)
        finish_background_work()
    assert services.sessions.open(lab.stack.issue_access_token("alice"))
    assert len(lab.seen(mark, "openid-configuration")) == 1


class Publisher:
    """What is published, or what becomes of asking."""

    def __init__(self, key: SigningKey) -> None:
        self.published, self.error = {"a": key}, False
        self.next_to_publish: dict[str, SigningKey] | None = None
        self.asked, self.open, self.was_waited_for = 0, threading.Event(), False
        self.open.set()

    def fetch(self) -> dict[str, SigningKey]:
        self.asked += 1
        self.was_waited_for = not self.open.wait(3)
        if self.error:
            raise TransportError("no answer")
        published = self.published
        if self.next_to_publish is not None:
            self.published = self.next_to_publish
        return published


def old_keys_after_a_failure() -> tuple[SigningKeys, Clock, Publisher]:
    """Keys of two hours ago, and an Entra that has just not responded."""
    key, clock = SigningKey(STRANGER.public_key()), Clock()
    publisher = Publisher(key)
    keys = SigningKeys(publisher.fetch, clock)
    assert keys.get("a") is key
    clock.forward(2 * MAX_AGE_SECONDS)
    publisher.error = True
    assert keys.get("a") is key
    assert publisher.asked == 2
    return keys, clock, publisher


def test_nobody_waits_long_again_and_again_for_an_entra_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, clock, publisher = old_keys_after_a_failure()
    monkeypatch.setattr(signing_keys, "SHORT_WAIT_SECONDS", 0.01)
    publisher.open.clear()
    clock.forward(NEXT_FETCH_SECONDS)
    for _ in range(3):
        assert keys.get("a")
    publisher.open.set()
    finish_background_work()
    assert (publisher.asked, publisher.was_waited_for) == (3, False)


@pytest.mark.parametrize("later", [NEXT_FETCH_SECONDS, RECENT_SECONDS])
def test_a_key_withdrawn_during_an_idle_outage_is_refused_as_soon_as_entra_responds(later: float) -> None:
    keys, clock, publisher = old_keys_after_a_failure()
    publisher.error, publisher.published = False, {"b": SigningKey(STRANGER.public_key())}
    clock.forward(later)
    with pytest.raises(ServiceUnavailable, match="key lists differ"):
        keys.get("a")
    clock.forward(NEXT_FETCH_SECONDS)
    with pytest.raises(InvalidToken, match="unknown signing key"):
        keys.get("a")


def known_keys_and_a_hanging_fetch() -> tuple[SigningKeys, Clock, Publisher]:
    """Keys of half a minute ago, and an Entra that does not respond to the next fetch."""
    clock, publisher = Clock(), Publisher(SigningKey(STRANGER.public_key()))
    keys = SigningKeys(publisher.fetch, clock)
    assert keys.get("a")
    with pytest.raises(InvalidToken):
        keys.get("the try that comes at once")
    clock.forward(COOLDOWN_SECONDS)
    publisher.open.clear()
    return keys, clock, publisher


def test_a_stranger_waits_for_the_beginning_of_a_fetch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, _, publisher = known_keys_and_a_hanging_fetch()
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 0.01)
    with pytest.raises(ServiceUnavailable, match="being fetched") as raised:
        keys.get("x")
    assert raised.value.retry_after == 1
    publisher.open.set()
    finish_background_work()
    assert (publisher.asked, publisher.was_waited_for) == (3, False)


def test_a_crowd_of_strangers_waits_no_longer_than_the_first_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waiting for its own half second would hold the threads for as long as strangers come."""
    keys, clock, publisher = known_keys_and_a_hanging_fetch()
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 20.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(keys.get, "x")
        while publisher.asked < 3:
            threading.Event().wait(0.001)
        clock.forward(20.0)
        for number in range(60):
            with pytest.raises(ServiceUnavailable, match="being fetched"):
                keys.get(f"y{number}")
            assert keys.get("a")
        publisher.open.set()
        with pytest.raises(InvalidToken):
            first.result(10)
    assert (publisher.asked, publisher.was_waited_for) == (3, False)


def test_strangers_do_not_wait_for_an_entra_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, clock, publisher = known_keys_and_a_hanging_fetch()
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 3600.0)
    publisher.error = True
    publisher.open.set()
    with pytest.raises(ServiceUnavailable, match="could not be fetched"):
        keys.get("x")
    publisher.open.clear()
    clock.forward(NEXT_FETCH_SECONDS)
    for number in range(20):
        with pytest.raises(ServiceUnavailable, match="could not be fetched"):
            keys.get(f"y{number}")
    publisher.open.set()
    finish_background_work()
    assert (publisher.asked, publisher.was_waited_for) == (4, False)


def test_an_unknown_id_that_comes_during_a_refresh_has_its_own_try_after_it() -> None:
    keys, clock, publisher = known_keys_and_a_hanging_fetch()
    clock.forward(MAX_AGE_SECONDS)
    assert keys.get("a")  # starts the refresh
    while publisher.asked < 3:
        threading.Event().wait(0.001)
    found = list[SigningKey]()
    comer = threading.Thread(target=lambda: found.append(keys.get("b")))
    comer.start()
    while not comer.is_alive():
        threading.Event().wait(0.001)
    publisher.next_to_publish = {**publisher.published, "b": SigningKey(STRANGER.public_key())}
    publisher.open.set()
    comer.join(10)
    assert found == [SigningKey(STRANGER.public_key())]
    assert publisher.asked == 4


def test_a_failure_of_long_ago_is_no_reason_not_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, clock, publisher = old_keys_after_a_failure()
    monkeypatch.setattr(signing_keys, "SHORT_WAIT_SECONDS", 0.01)
    publisher.error, publisher.published = False, {"b": SigningKey(STRANGER.public_key())}
    clock.forward(RECENT_SECONDS)
    publisher.open.clear()
    threading.Timer(0.1, publisher.open.set).start()
    with pytest.raises(ServiceUnavailable, match="key lists differ"):  # nobody could say so without having waited
        keys.get("a")


@pytest.mark.parametrize(
    "response",
    [
        {"status": 503},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": ""},
        {"status": 200, "body": []},
        {"status": 200, "body": {"keys": []}},
        {"status": 302, "headers": {"Location": "https://graph.microsoft.com/keys"}},
    ],
)
def test_without_any_key_the_response_is_503_and_the_next_try_is_soon(lab: Lab, response: dict[str, object]) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.stack.faults.add("entra.keys", **response)  # type: ignore[arg-type]  # a row of the table above
    with pytest.raises(ServiceUnavailable) as raised:
        services.sessions.open(token)
    assert raised.value.retry_after == EMPTY_COOLDOWN_SECONDS
    lab.stack.faults.clear()
    lab.clock.forward(EMPTY_COOLDOWN_SECONDS + 0.1)
    assert services.sessions.open(token)


def published(lab: Lab, path: str) -> dict[str, Any]:
    """A JSON document that Entra publishes for the tenant."""
    document: dict[str, Any] = Transport().send("GET", f"{AUTHORITY}/{path}").json()
    return document


def published_with(lab: Lab, **changes: object) -> None:
    """Entra's discovery document, with these members changed."""
    document = changed(published(lab, "v2.0/.well-known/openid-configuration"), changes)
    lab.stack.faults.add("entra.discovery", status=200, body=document)


@pytest.mark.parametrize(
    "address",
    [
        "https://graph.microsoft.com/keys",
        "https://login.microsoftonline.com@graph.microsoft.com/keys",
        "https://login.microsoftonline.com.graph.microsoft.com/keys",
        "https://user@login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
        "https://login.microsoftonline.com:444/{tenant}/discovery/v2.0/keys",
        "http://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
        "//login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
        "https://[login.microsoftonline.com/keys",
        ["https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"],
        GONE,
    ],
    ids=lambda value: "gone" if value is GONE else str(value),
)
def test_keys_are_taken_from_the_authoritys_own_host_only(lab: Lab, address: object) -> None:
    """The other host has a good key set to offer, and the token is signed with a key in it."""
    lab.stack.faults.add("graph", status=200, body=published(lab, "discovery/v2.0/keys"))
    published_with(lab, jwks_uri=address.format(tenant=CONTOSO) if isinstance(address, str) else address)
    mark = lab.stack.audit.mark()
    with pytest.raises(ServiceUnavailable, match="signing keys could not be fetched"):
        lab.services().sessions.open(lab.stack.issue_access_token("alice"))
    assert [entry.service for entry in lab.stack.audit.entries(mark) if entry.action != "connect"] == ["entra"]


@pytest.mark.parametrize(
    "start",
    [
        "https://login.microsoftonline.com:443",
        "https://login.microsoftonline.com:",
        "https://Login.MicrosoftOnline.COM",
        "HTTPS://LOGIN.MICROSOFTONLINE.COM:443",
    ],
)
def test_another_spelling_of_the_same_host_is_the_same_host(lab: Lab, start: str) -> None:
    """RFC 3986 §6.2: case of scheme and host, and the default port, make no difference."""
    published_with(lab, jwks_uri=f"{start}/{CONTOSO}/discovery/v2.0/keys")
    assert lab.services().sessions.open(lab.stack.issue_access_token("alice"))
    assert lab.services(AzureAd__Instance=start).sessions.open(lab.stack.issue_access_token("alice"))


@pytest.mark.parametrize(
    "issuer",
    [
        f"https://login.microsoftonline.com/{FABRIKAM}/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        f"https://login.microsoftonline.us/{CONTOSO}/v2.0",
        f"https://sts.windows.net/{CONTOSO}/",
        f"{AUTHORITY}/v2.0/",
        f"{AUTHORITY}/V2.0",
        "",
        7,
        [f"{AUTHORITY}/v2.0"],
        None,
        GONE,
    ],
    ids=lambda value: "gone" if value is GONE else str(value),
)
def test_a_discovery_document_of_another_issuer_is_refused(lab: Lab, issuer: object) -> None:
    """OpenID Connect Discovery 1.0 §4.3: the issuer must be the one that was asked."""
    published_with(lab, issuer=issuer)
    mark = lab.stack.audit.mark()
    with pytest.raises(ServiceUnavailable, match="signing keys could not be fetched"):
        lab.services().sessions.open(lab.stack.issue_access_token("alice"))
    assert lab.seen(mark, "keys") == []


def test_only_keys_fit_for_rs256_are_used() -> None:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    def jwk(bits: int, **members: object) -> dict[str, object]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
        return {**jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), "use": "sig", "kid": f"k{bits}", **members}

    good = jwk(2048, issuer="https://login.microsoftonline.com/{tenantid}/v2.0")
    entries = [
        good,
        jwk(1024),
        jwk(2048, kid="enc", use="enc"),
        jwk(2048, kid=5),
        {**good, "kid": "broken", "n": "!"},
        {"kty": "oct", "k": "AAAA", "kid": "oct"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec"},
        "text",
        None,
    ]
    assert set(parse_key_set({"keys": entries})) == {"k2048"}
    with pytest.raises(ValueError, match="not a key set"):
        parse_key_set({"keys": {}})


V1, V2 = f"https://sts.windows.net/{CONTOSO}/", f"https://login.microsoftonline.com/{CONTOSO}/v2.0"


@pytest.mark.parametrize(
    ("issuer", "signs_for"),
    [
        ("", {V1, V2}),
        (V2, {V1, V2}),  # a v1 token is signed with the same keys, and they name the v2 issuer
        ("https://login.microsoftonline.com/{tenantid}/v2.0", {V1, V2}),
        (V1, {V1}),
        ("https://sts.windows.net/{tenantid}/", {V1}),
        (f"https://login.microsoftonline.com/{FABRIKAM}/v2.0", set()),
        ("https://login.microsoftonline.us/{tenantid}/v2.0", set()),
        (f"https://x.example/a/{CONTOSO}/b", set()),
        (f"https://x.example/{CONTOSO}/v2.0", set()),
        ("{tenantid}", set()),
        (f"{V2}/", set()),
        (f" {V2}", set()),
        (V2.upper(), set()),
        (V2.removesuffix("/v2.0"), set()),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_key_signs_for_its_own_issuer(lab: Lab, issuer: str, signs_for: set[str], version: int) -> None:
    """Compared whole; `{tenantid}` in it stands for the token's tenant, and nothing else does."""
    token = lab.stack.issue_access_token("alice", version=version)
    current = lab.stack.entra.keys.current
    keys = {current.x5t: SigningKey(current.key.public_key(), frozenset({issuer}))}
    services = lab.services()
    settings = services.settings
    validator = AccessTokenValidator(
        settings.authority, settings.tokens, SigningKeys(lambda: keys, lab.clock), lab.clock
    )
    if {1: V1, 2: V2}[version] in signs_for:
        assert validator.validate(token)
    else:
        with pytest.raises(InvalidToken, match="issuer of the signing key"):
            validator.validate(token)
