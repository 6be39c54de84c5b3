"""One session: what it keeps of what was exchanged for its token, and what it forgets. No server, no thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import ApiError, ServiceUnavailable, Throttled
from shared.exchange.downstream_token import DownstreamToken, Origin, Refusal
from shared.sessions import MAX_TOKENS_PER_SESSION, ExchangedLately, Scopes, Session, Sessions
from shared.settings.authority import Authority
from shared.validation.access_token import ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.clock import Clock
from tests.support.lab import finish_background_work
from tests.support.tokens import STRANGER

AUTHORITY = Authority("https://login.example", "tenant", "client")

SCOPES: Scopes = ("User.Read",)
LIFE, RENEWED_AFTER = 3600.0, 3300.0


def token(text: str, at: float = 0.0) -> DownstreamToken:
    return DownstreamToken(text, at + LIFE, at + RENEWED_AFTER)


def access_token(key: SigningKey, ends_at: float, payload: bytes = b"{}") -> ValidatedToken:
    return ValidatedToken(payload, ends_at, frozenset({"s"}), "kid", key, "oid", "pseudonym", AUTHORITY)


@pytest.fixture
def session() -> Session:
    return Session(b"digest", access_token(SigningKey(STRANGER.public_key()), 2e9, b"x" * 500))


def test_its_size_grows_with_the_payload_and_with_each_token(session: Session) -> None:
    assert session.size() == 850 + 500
    session.keep(SCOPES, token("t" * 1000), instead_of=None)
    assert session.size() == 850 + 500 + 350 + 1000
    session.keep(("Mail.Read",), token("t" * 10), instead_of=None)
    assert session.size() == 850 + 500 + 350 + 1000 + 350 + 10


def test_a_token_is_kept_instead_of_the_one_it_was_meant_to_replace(session: Session) -> None:
    session.keep(SCOPES, token("first"), instead_of=None)
    session.keep(SCOPES, token("late"), instead_of=None)
    first = session.downstream_tokens[SCOPES]
    assert (first.token, first.origin) == ("first", Origin.SESSION)  # the next lookup finds it in the session
    session.keep(SCOPES, token("second"), instead_of=first)
    session.keep(SCOPES, token("late"), instead_of=first)
    assert {scopes: kept.token for scopes, kept in session.downstream_tokens.items()} == {SCOPES: "second"}


def test_sixteen_tokens_are_kept_and_each_of_them_can_still_be_replaced(session: Session) -> None:
    for number in range(MAX_TOKENS_PER_SESSION + 1):
        session.keep((f"s{number}",), token(f"{number}"), instead_of=None)
    assert [kept.token for kept in session.downstream_tokens.values()] == [f"{number}" for number in range(16)]
    session.keep(("s0",), token("new"), instead_of=session.downstream_tokens[("s0",)])
    assert session.downstream_tokens[("s0",)].token == "new"


def test_only_the_very_token_that_was_refused_is_dropped(session: Session) -> None:
    session.drop(SCOPES, Refusal("first", "{}"))
    session.keep(SCOPES, token("first"), instead_of=None)
    session.drop(SCOPES, Refusal("another", "{}"))
    session.drop(("Mail.Read",), Refusal("first", "{}"))
    assert session.downstream_tokens[SCOPES].token == "first"
    session.drop(SCOPES, Refusal("first", "{}"))
    assert session.downstream_tokens == {}


def test_a_throttled_scope_waits_until_the_time_and_no_other_does(session: Session) -> None:
    session.check_not_throttled(SCOPES, 1000)
    session.throttle(SCOPES, 1000, 10)
    session.throttle(("Mail.Read",), 1000, 20)
    with pytest.raises(Throttled) as raised:
        session.check_not_throttled(SCOPES, 1000.5)
    assert (raised.value.status, raised.value.retry_after) == (503, 10)
    session.check_not_throttled(SCOPES, 1010)
    session.check_not_throttled(("Calendars.Read",), 1000)
    with pytest.raises(Throttled):
        session.check_not_throttled(("Mail.Read",), 1019.9)
    session.throttle(SCOPES, 1010, 5)
    with pytest.raises(Throttled):
        session.check_not_throttled(SCOPES, 1014)


def test_one_exchange_a_minute_is_made_anew_for_a_refusal_without_claims(session: Session) -> None:
    session.reserve_exchange(SCOPES, 1000)
    session.reserve_exchange(("Mail.Read",), 1000)
    for at in (1000, 1059.9):
        with pytest.raises(ExchangedLately):
            session.reserve_exchange(SCOPES, at)
    session.reserve_exchange(SCOPES, 1060)
    with pytest.raises(ExchangedLately):
        session.reserve_exchange(SCOPES, 1061)


class Entra:
    """Accepts every token, exchanges it for numbered tokens, and can be made to fail."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.key = SigningKey(STRANGER.public_key())
        self.failure: ApiError | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self.validated: list[str] = []
        self.asked: list[tuple[str, Scopes, str, Refusal | None]] = []

    def validate(self, bearer: str) -> ValidatedToken:
        self.validated.append(bearer)
        return access_token(self.key, self.clock() + LIFE)

    def still_valid(self, key_id: str, key: SigningKey) -> bool:
        return key_id == "kid" and key is self.key

    def exchange(
        self, assertion: str, scopes: Any, *, authority: Authority, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        self.asked.append((assertion, scopes, correlation_id, refusal))
        self.meanwhile()
        if self.failure:
            raise self.failure
        return token(f"{len(self.asked)}", self.clock())


@pytest.fixture
def entra() -> Entra:
    return Entra()


class Asking:
    """Asks for tokens of one API for one bearer."""

    def __init__(self, entra: Entra, max_bytes: int = 10**9) -> None:
        self.sessions = Sessions(entra, entra, entra, entra.clock, 10, max_bytes)

    def __call__(self, refusal: Refusal | None = None, scopes: Scopes = SCOPES) -> str:
        session = self.sessions.open("bearer")
        return self.sessions.token_for(session, "bearer", scopes, correlation_id="id", refusal=refusal).token


def test_what_entra_is_asked(entra: Entra) -> None:
    refusal = Refusal("1", "{}")
    ask = Asking(entra)
    assert [ask(), ask(), ask(refusal)] == ["1", "1", "2"]
    assert entra.asked == [("bearer", SCOPES, "id", None), ("bearer", SCOPES, "id", refusal)]
    assert entra.validated == ["bearer"]


def test_a_bearer_that_is_not_text_for_utf_8_has_a_session_too(entra: Entra) -> None:
    sessions = Asking(entra).sessions
    first, second = sessions.open("\ud800"), sessions.open("\ud801")
    assert first is not second
    assert sessions.open("\ud800") is first


def test_a_token_is_used_until_it_is_due_and_then_renewed_in_the_background(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    entra.clock.forward(RENEWED_AFTER - 0.1)
    assert (ask(), len(entra.asked)) == ("1", 1)
    entra.clock.forward(0.1)
    assert ask() == "1"  # nobody waits for the renewal
    finish_background_work()
    assert (ask(), len(entra.asked)) == ("2", 2)


def test_in_the_last_half_minute_of_a_token_its_renewal_is_waited_for(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    entra.clock.forward(LIFE - 30 - 0.1)
    entra.failure = ServiceUnavailable(retry_after=1)
    assert ask() == "1"
    finish_background_work()
    entra.clock.forward(0.1)
    with pytest.raises(ServiceUnavailable):
        ask()
    entra.failure = None
    assert ask() == f"{len(entra.asked)}" != "1"


def test_a_token_that_lives_less_than_its_renewal_says_is_renewed_before_its_end(entra: Entra) -> None:
    sessions = Asking(entra).sessions
    session = sessions.open("bearer")
    session.keep(SCOPES, DownstreamToken("short", entra.clock() + 31, entra.clock() + 500), instead_of=None)
    assert sessions.known_token(session, SCOPES) is not None
    entra.clock.forward(1)
    assert sessions.known_token(session, SCOPES) is None


def test_a_renewal_that_failed_is_tried_again_after_half_a_minute(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    entra.clock.forward(RENEWED_AFTER)
    entra.failure = ServiceUnavailable(retry_after=1)
    ask()
    finish_background_work()
    entra.clock.forward(29.9)
    assert (ask(), len(entra.asked)) == ("1", 2)
    entra.clock.forward(0.1)
    ask()
    finish_background_work()
    assert len(entra.asked) == 3


def test_a_renewal_that_failed_leaves_what_came_meanwhile(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    session = ask.sessions.open("bearer")
    due = session.downstream_tokens[SCOPES]
    entra.clock.forward(RENEWED_AFTER)
    entra.failure = ServiceUnavailable(retry_after=1)
    newer = token("newer", entra.clock())
    entra.meanwhile = lambda: session.keep(SCOPES, newer, instead_of=due)
    assert ask() == "1"
    finish_background_work()
    assert session.downstream_tokens[SCOPES].token == "newer"


class OvertakenSessions(Sessions):
    """Another thread brings a token between the first look for one and the exchange."""

    def __init__(self, entra: Entra, brought: DownstreamToken) -> None:
        super().__init__(entra, entra, entra, entra.clock, 10, 10**9)
        self._brought: DownstreamToken | None = brought

    def known_token(self, session: Session, scopes: Scopes, refusal: Refusal | None = None) -> DownstreamToken | None:
        known = super().known_token(session, scopes, refusal)
        if self._brought:
            session.downstream_tokens[scopes] = self._brought
            self._brought = None
        return known


@pytest.mark.parametrize("refusal", [None, Refusal("due", "{}")])
def test_a_token_that_another_thread_has_just_brought_costs_no_exchange(entra: Entra, refusal: Refusal | None) -> None:
    sessions = OvertakenSessions(entra, token("brought", entra.clock()))
    session = sessions.open("bearer")
    session.downstream_tokens[SCOPES] = token("due", entra.clock() - RENEWED_AFTER)
    got = sessions.token_for(session, "bearer", SCOPES, correlation_id="id", refusal=refusal)
    finish_background_work()
    assert (got.token, entra.asked) == ("brought", [])


def test_whoever_waits_for_a_renewal_that_fails_gets_the_token_that_is_still_good(
    entra: Entra, caplog: pytest.LogCaptureFixture
) -> None:
    joined = threading.Event()

    class Flights(dict[Any, Any]):
        """Reports that a thread has found the exchange under way."""

        def get(self, key: Any, default: Any = None) -> Any:
            found = super().get(key, default)
            if found is not None:
                joined.set()
            return found

    ask = Asking(entra)
    ask()
    ask.sessions._exchanges._running = Flights()
    entra.clock.forward(RENEWED_AFTER)
    entra.failure, entra.meanwhile = ServiceUnavailable(retry_after=1), lambda: joined.wait(30)
    ask()
    entra.clock.forward(LIFE - RENEWED_AFTER - 10)
    assert ask() == "1"
    finish_background_work()
    assert len(entra.asked) == 2
    assert ["could not be renewed" in message for message in caplog.messages] == [True]
    assert "bearer" not in caplog.text


def test_a_refusal_without_claims_costs_one_exchange_a_minute(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    assert ask(Refusal("1")) == "2"
    with pytest.raises(ExchangedLately):
        ask(Refusal("2"))
    assert ask(Refusal("2", '{"c":{}}')) == "3"  # with claims it is a different exchange
    entra.clock.forward(60)
    assert ask(Refusal("3")) == "4"


@pytest.mark.parametrize("claims", ["", '{"c":{}}'])
def test_a_token_that_is_void_is_forgotten_though_no_other_is_to_be_had(entra: Entra, claims: str) -> None:
    ask = Asking(entra)
    size = ask.sessions.open("bearer").size()
    ask()
    entra.failure = ServiceUnavailable(retry_after=1)
    with pytest.raises(ServiceUnavailable):
        ask(Refusal("1", claims))
    assert ask.sessions._sessions.size == size
    entra.failure = None
    assert ask() == "3"


def test_a_token_that_does_not_do_for_one_call_is_kept_if_no_other_is_to_be_had(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    entra.failure = ServiceUnavailable(retry_after=1)
    with pytest.raises(ServiceUnavailable):
        ask(Refusal("1", is_void=False))
    assert ask() == "1"


def test_a_token_with_claims_takes_the_place_of_whatever_came_meanwhile(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    session = ask.sessions.open("bearer")
    due = session.downstream_tokens[SCOPES]
    entra.meanwhile = lambda: session.keep(SCOPES, token("meanwhile", entra.clock()), instead_of=due)
    assert ask(Refusal("1", '{"c":{}}')) == "2"
    assert session.downstream_tokens[SCOPES].token == "2"


def test_a_token_without_claims_does_not_take_the_place_of_one_that_came_meanwhile(entra: Entra) -> None:
    ask = Asking(entra)
    ask()
    session = ask.sessions.open("bearer")
    due = session.downstream_tokens[SCOPES]
    entra.meanwhile = lambda: session.keep(SCOPES, token("meanwhile", entra.clock()), instead_of=due)
    assert ask(Refusal("1", "")) == "2"
    assert session.downstream_tokens[SCOPES].token == "meanwhile"


def test_a_throttled_exchange_is_not_tried_before_its_time(entra: Entra) -> None:
    ask = Asking(entra)
    entra.failure = Throttled(retry_after=17)
    with pytest.raises(Throttled):
        ask()
    entra.failure = None
    entra.clock.forward(16.5)
    with pytest.raises(Throttled) as raised:
        ask()
    assert (raised.value.retry_after, len(entra.asked)) == (1, 1)
    assert ask(scopes=("Mail.Read",)) == "2"
    entra.clock.forward(0.5)
    assert ask() == "3"


def test_a_client_that_asks_all_the_time_waits_no_longer_for_it(entra: Entra) -> None:
    ask = Asking(entra)
    entra.failure = Throttled(retry_after=2)
    for _ in range(4):
        with pytest.raises(Throttled):
            ask()
        entra.failure = None
        entra.clock.forward(0.5)
    assert ask() == "2"


def test_any_other_failure_is_tried_again_at_once(entra: Entra) -> None:
    ask = Asking(entra)
    entra.failure = ServiceUnavailable(retry_after=17)
    with pytest.raises(ServiceUnavailable):
        ask()
    entra.failure = None
    assert ask() == "2"


def test_what_is_exchanged_counts_for_the_memory_of_all(entra: Entra) -> None:
    ask = Asking(entra)
    ask.sessions.open("bearer")
    before = ask.sessions._sessions.size
    ask()
    assert ask.sessions._sessions.size == before + 351
    ask.sessions.open("another")
    small = Asking(entra, max_bytes=before + 100)
    assert small() == "2"
    assert len(small.sessions) == 0  # too large by itself: it is used, and not kept


def test_sessions_that_make_room_are_told_once_an_hour(entra: Entra, caplog: pytest.LogCaptureFixture) -> None:
    sessions = Sessions(entra, entra, entra, entra.clock, 1, 10**9)
    sessions.open("a")
    assert caplog.messages == []
    for bearer in ("b", "c"):
        sessions.open(bearer)
    assert [message.startswith("1 sessions were evicted") for message in caplog.messages] == [True]
    entra.clock.forward(3599)
    sessions.open("d")
    assert len(caplog.messages) == 1
    entra.clock.forward(1)
    sessions.open("d")  # nothing was evicted: the last one has not ended
    assert len(caplog.messages) == 1
    sessions.open("e")
    assert [message.startswith("4 sessions were evicted") for message in caplog.messages] == [False, True]
