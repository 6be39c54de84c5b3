"""The table of shared/validation/signing_keys.py, to the second: which request waits, how long, and its result.

There is no thread: each fetch is made at once, or not at all. The seconds of each wait are recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.errors import ApiError, InvalidToken, ServerMisconfigured, ServiceUnavailable
from shared.net.single_flight import SingleFlight, WaitedTooLongError
from shared.net.transport import TransportError
from shared.validation.jws import SigningKey
from shared.validation.metadata import EntraBusyError, UnknownTenantError
from shared.validation.signing_keys import SigningKeys
from tests.support.clock import Clock
from tests.support.tokens import STRANGER

A = SigningKey(STRANGER.public_key())
B = SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
START, HOUR = 1_000_000.0, 3600.0
DOWN = TransportError("ConnectionError")


class Flights(SingleFlight[str, None]):
    """Does each piece of work at once in this thread. `hangs`: none ends. `instead`: another thread's work ends."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.in_background = 0
        self.hangs = False
        self.instead: Callable[[], None] | None = None

    def wait_in_background(self, key: str, work: Callable[[], None], *, wait: float = 40.0) -> None:
        self.join(key, wait=wait)
        (self.instead or work)()

    def join(self, key: str, *, wait: float = 40.0) -> None:
        self.waits.append(wait)
        if self.hangs:
            raise WaitedTooLongError

    def run_in_background(self, key: str, work: Callable[[], None]) -> Future[None] | None:
        self.in_background += 1
        if not self.hangs:
            work()
        return None


class Entra:
    """Lists these keys, or fails; the time is given in seconds since the first moment."""

    def __init__(self, listed: Mapping[str, SigningKey] | Exception) -> None:
        self.listed, self.fetches = listed, 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.clock = Clock(START)
        self.keys = SigningKeys(self.fetch, self.clock)
        self.flights = self.keys._fetches = Flights()

    def fetch(self) -> Mapping[str, SigningKey]:
        self.fetches += 1
        self.meanwhile()
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    def at(self, seconds: float, key_id: str) -> SigningKey | ApiError:
        """The result for this key id at that time."""
        self.clock.at = START + seconds
        try:
            return self.keys.get(key_id)
        except ApiError as error:
            return error

    def taken(self) -> tuple[list[float], int, int]:
        """Since the last call: the seconds waited, the background work started, and the fetches."""
        taken = self.flights.waits, self.flights.in_background, self.fetches
        self.flights.waits, self.flights.in_background, self.fetches = [], 0, 0
        return taken


@pytest.fixture
def entra() -> Entra:
    """Lists one key, and is known to."""
    entra = Entra({"a": A})
    assert entra.at(0, "a") is A
    assert entra.taken() == ([40.0], 0, 1)
    return entra


def wait_of(said: SigningKey | ApiError) -> int:
    assert type(said) is ServiceUnavailable, said
    return said.retry_after


def test_a_known_key_waits_for_nothing_and_is_refreshed_after_an_hour(entra: Entra) -> None:
    assert entra.at(HOUR - 0.1, "a") is A
    assert entra.taken() == ([], 0, 0)
    assert entra.at(HOUR, "a") is A
    assert entra.taken() == ([], 1, 1)
    assert entra.at(HOUR + 1, "a") is A
    assert entra.taken() == ([], 0, 0)


def test_a_known_session_refreshes_the_keys_too(entra: Entra) -> None:
    for seconds, fetches in ((HOUR - 0.1, 0), (HOUR, 1)):
        entra.clock.at = START + seconds
        assert entra.keys.still_valid("a", A) is True
        assert entra.taken() == ([], fetches, fetches)
    assert entra.keys.still_valid("a", SigningKey(A.key)) is True
    assert entra.keys.still_valid("a", B) is False
    assert entra.keys.still_valid("b", B) is False


def test_keys_of_two_hours_ago_do_not_vouch_for_a_session_unless_entra_failed_within_a_minute(entra: Entra) -> None:
    entra.flights.hangs = True
    entra.clock.at = START + 2 * HOUR - 0.1
    assert entra.keys.still_valid("a", A) is True
    entra.clock.at = START + 2 * HOUR
    assert entra.keys.still_valid("a", A) is None
    entra.listed, entra.flights.hangs = DOWN, False
    assert entra.at(2 * HOUR, "a") is A
    entra.flights.hangs = True
    entra.clock.at = START + 2 * HOUR + 59.9
    assert entra.keys.still_valid("a", A) is True
    entra.clock.at = START + 2 * HOUR + 60
    assert entra.keys.still_valid("a", A) is None


def test_keys_of_two_hours_ago_wait_for_a_fetch_and_only_two_seconds_after_a_failure(entra: Entra) -> None:
    assert entra.at(2 * HOUR, "a") is A
    assert entra.taken() == ([40.0], 0, 1)
    entra.listed = DOWN
    assert entra.at(4 * HOUR, "a") is A
    assert entra.taken() == ([40.0], 0, 1)
    assert entra.at(4 * HOUR + 59.9, "a") is A
    assert entra.taken() == ([2.0], 0, 1)
    entra.at(4 * HOUR + 59.9 + 59.9, "a")
    assert entra.taken() == ([2.0], 0, 1)
    entra.at(4 * HOUR + 59.9 + 59.9 + 60, "a")
    assert entra.taken() == ([40.0], 0, 1)


def test_an_unknown_id_waits_half_a_second_and_is_asked_for_once_in_thirty(entra: Entra) -> None:
    assert type(entra.at(1, "z")) is InvalidToken
    assert entra.taken() == ([0.5], 0, 1)
    assert type(entra.at(30.9, "z")) is InvalidToken
    assert entra.taken() == ([0.5], 0, 0)  # for what might be under way
    entra.listed = {"a": A, "z": B}
    assert entra.at(31, "z") is B
    assert entra.taken() == ([0.5], 0, 1)


def test_an_unknown_id_that_met_the_fetch_of_another_has_one_try_of_its_own(entra: Entra) -> None:
    entra.flights.instead = lambda: None
    assert type(entra.at(30, "z")) is InvalidToken
    assert entra.taken() == ([0.5, 0.5], 0, 0)


def test_a_try_is_due_at_its_very_second(entra: Entra) -> None:
    entra.at(0, "z")
    entra.taken()
    entra.flights.instead = lambda: None
    entra.at(30, "z")
    assert len(entra.taken()[0]) == 2


def test_an_id_that_the_fetch_of_another_brings_needs_no_more(entra: Entra) -> None:
    entra.listed, entra.flights.instead = {"a": A, "z": B}, entra.keys._fetch
    assert entra.at(30, "z") is B
    assert entra.taken() == ([0.5], 0, 1)


def test_after_a_failure_an_unknown_id_waits_for_nothing(entra: Entra) -> None:
    entra.listed = DOWN
    assert wait_of(entra.at(100, "z")) == 5
    assert entra.taken() == ([0.5], 0, 1)
    assert wait_of(entra.at(104.9, "z")) == 1
    assert entra.taken() == ([], 0, 0)
    assert wait_of(entra.at(105, "z")) == 5
    assert entra.taken() == ([], 1, 1)
    entra.flights.hangs = True
    assert wait_of(entra.at(200, "z")) == 1


def test_a_refresh_that_failed_is_tried_again_after_five_seconds(entra: Entra) -> None:
    entra.listed = DOWN
    assert entra.at(HOUR, "a") is A
    assert entra.at(HOUR + 4.9, "a") is A
    assert entra.taken() == ([], 1, 1)
    assert entra.at(HOUR + 5, "a") is A
    assert entra.taken() == ([], 1, 1)


def test_without_any_key_everybody_waits_and_the_next_try_is_after_two_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entra = Entra(DOWN)
    assert wait_of(entra.at(0, "a")) == 2
    assert entra.taken() == ([40.0], 0, 1)
    assert wait_of(entra.at(1.9, "a")) == 1
    assert entra.taken() == ([40.0], 0, 0)
    assert wait_of(entra.at(2, "a")) == 2
    assert entra.taken() == ([40.0], 0, 1)
    told = "fetch failed (TransportError: ConnectionError); keeping the 0 known"
    assert [told in line for line in caplog.messages] == [True, True]


def test_while_the_first_fetch_hangs_nothing_is_known_of_the_tenant() -> None:
    entra = Entra({"a": A})
    entra.flights.hangs = True
    assert wait_of(entra.at(0, "a")) == 1
    assert entra.taken() == ([40.0], 0, 0)


@pytest.mark.parametrize(("seconds", "waits"), [(0, 2), (1, 2), (17, 17), (60, 60), (61, 60), (9999, 60)])
def test_a_busy_entra_is_left_alone_as_long_as_it_asks_but_a_minute_at_most(seconds: int, waits: int) -> None:
    entra = Entra(EntraBusyError(seconds))
    assert wait_of(entra.at(0, "a")) == waits
    entra.listed = {"a": A}
    entra.taken()
    assert wait_of(entra.at(waits - 0.1, "a")) == 1
    assert entra.at(waits, "a") is A
    assert entra.fetches == 1


def test_an_unknown_tenant_is_our_misconfiguration_until_there_are_keys() -> None:
    entra = Entra(UnknownTenantError())
    assert type(entra.at(0, "a")) is ServerMisconfigured
    entra.listed = {"a": A}
    assert entra.at(2, "a") is A
    entra.listed = UnknownTenantError()
    assert wait_of(entra.at(100, "z")) == 5
    entra.listed = DOWN
    other = Entra(UnknownTenantError())
    other.at(0, "a")
    other.listed = DOWN
    assert wait_of(other.at(2, "a")) == 2


def test_an_empty_list_is_a_response_and_the_next_look_is_after_two_seconds(caplog: pytest.LogCaptureFixture) -> None:
    entra = Entra({})
    assert wait_of(entra.at(0, "a")) == 2
    assert entra.taken() == ([40.0], 0, 1)
    assert ["lists none that may sign; keeping the 0 known" in line for line in caplog.messages] == [True]
    entra.listed = {"a": A}
    assert wait_of(entra.at(1.9, "a")) == 1
    assert entra.at(2, "a") is A
    assert len(caplog.messages) == 1


def test_a_key_that_the_last_response_lacked_waits_two_seconds_once_it_is_two_hours_old() -> None:
    entra = Entra({"a": A, "b": B})
    entra.at(0, "a")
    entra.listed = {"b": B}
    assert entra.at(HOUR, "a") is A
    entra.listed = DOWN
    assert entra.at(2 * HOUR - 0.1, "a") is A
    entra.taken()
    assert wait_of(entra.at(2 * HOUR + 60, "a")) == 5
    assert entra.taken() == ([2.0], 0, 1)
    assert entra.keys.still_valid("a", A) is False
    assert entra.keys.still_valid("b", B) is True


def test_after_two_idle_hours_a_key_that_one_response_lacks_is_decided_by_the_next_five_seconds_later() -> None:
    entra = Entra({"a": A, "b": B})
    entra.at(0, "a")
    entra.listed = {"b": B}
    assert wait_of(entra.at(2 * HOUR + 10, "a")) == 5
    assert type(entra.at(2 * HOUR + 15, "a")) is InvalidToken


def test_while_two_responses_of_a_minute_differ_an_unknown_id_is_503_to_the_second(entra: Entra) -> None:
    entra.listed = {"a": A, "b": B}
    assert wait_of(entra.at(30, "z")) == 30
    assert wait_of(entra.at(59.9, "z")) == 1
    assert type(entra.at(60, "z")) is InvalidToken


def test_an_unknown_id_does_not_wait_twice_for_a_fetch_that_hangs(entra: Entra) -> None:
    entra.flights.hangs = True
    assert wait_of(entra.at(2 * HOUR, "z")) == 1
    assert entra.taken() == ([40.0], 0, 0)
    assert wait_of(entra.at(100, "z")) == 1
    assert entra.taken() == ([0.5], 0, 0)


@pytest.mark.parametrize(("later", "left"), [(0.0, 0.5), (0.4, 0.1), (0.5, 0.0), (10.0, 0.0)])
def test_whoever_comes_during_a_fetch_waits_for_what_is_left_of_the_time(
    entra: Entra, later: float, left: float
) -> None:
    def comes() -> None:
        entra.meanwhile = lambda: None
        entra.flights.hangs = True
        assert wait_of(entra.at(100 + later, "y")) == 1
        entra.flights.hangs = False

    entra.meanwhile = comes
    entra.at(100, "z")
    assert entra.taken()[0] == [0.5, pytest.approx(left)]
