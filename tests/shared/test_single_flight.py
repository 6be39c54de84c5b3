from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import Any

import pytest

from shared.net.single_flight import MAX_BACKGROUND, SingleFlight, WaitedTooLongError
from tests.support.lab import finish_background_work


def run_together(flights: SingleFlight[str, int], work: list[str], outcome: int | Exception) -> list[object]:
    """Twenty callers of one key. The one that works waits until all twenty have asked."""
    all_asked = threading.Barrier(20)

    asked = threading.Semaphore(0)

    def slow() -> int:
        work.append("ran")
        for _ in range(19):
            assert asked.acquire(timeout=10)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    class Counting(dict[str, Future[int]]):
        def get(self, key: str, default: Any = None) -> Any:
            found = super().get(key, default)
            if found is not None:
                asked.release()
            return found

    flights._running = Counting()

    def call(_: int) -> object:
        all_asked.wait(10)
        try:
            return flights.do("key", slow)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(call, range(20)))


def test_many_callers_one_run() -> None:
    work: list[str] = []
    assert run_together(SingleFlight(), work, 7) == [7] * 20
    assert work == ["ran"]


def test_an_error_reaches_all_who_waited_and_is_not_kept() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work: list[str] = []
    error = ValueError("no")
    assert run_together(flights, work, error) == [error] * 20
    assert flights.do("key", lambda: 8) == 8


def test_keys_do_not_wait_for_each_other() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    assert flights.do("a", lambda: flights.do("b", lambda: 1)) == 1


def test_nothing_is_left_behind() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    flights.do("a", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        flights.do("a", lambda: 1 // 0)
    assert not flights._running


def test_work_in_the_background_is_bounded() -> None:
    flights: SingleFlight[int, int] = SingleFlight()
    release = threading.Event()
    started = [flights.run_in_background(number, lambda: int(release.wait(30))) for number in range(MAX_BACKGROUND)]
    assert flights.run_in_background(MAX_BACKGROUND, lambda: 1) is None
    assert flights.wait_in_background(MAX_BACKGROUND, lambda: 2) == 2
    release.set()
    assert [flight.result(30) for flight in started if flight] == [1] * MAX_BACKGROUND
    finish_background_work()
    assert flights.run_in_background(0, lambda: 3) is not None


def test_a_thread_that_cannot_be_had_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    for _ in range(2 * MAX_BACKGROUND):
        assert flights.run_in_background("key", lambda: 1) is None
    assert flights.do("key", lambda: 2) == 2
    assert flights.wait_in_background("key", lambda: 3) == 3


class LandsAsItTimesOut(Future[int]):
    """The work ends after the wait for it has timed out, and before the waiting thread looks again."""

    def __init__(self, outcome: int | Exception) -> None:
        super().__init__()
        self._outcome = outcome

    def result(self, timeout: float | None = None) -> int:
        if self.done():
            return super().result(timeout)
        if isinstance(self._outcome, Exception):
            self.set_exception(self._outcome)
        else:
            self.set_result(self._outcome)
        raise WaitedTooLong


def test_a_flight_that_lands_just_after_the_time_out_counts() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    flights._running["key"] = LandsAsItTimesOut(7)
    assert flights.do("key", lambda: 8) == 7


def test_a_flight_that_fails_just_after_the_time_out_raises_its_own_error() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    flights._running["key"] = LandsAsItTimesOut(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        flights.do("key", lambda: 8)


def test_a_time_out_of_the_work_itself_is_raised_as_it_is() -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    def times_out() -> int:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        flights.do("key", times_out)


def test_join_waits_for_what_is_under_way_and_for_nothing_else() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    flights.join("key")
    release, seen = threading.Event(), list[str]()

    def slow() -> int:
        release.wait(30)
        seen.append("ran")
        return 1

    flights.run_in_background("key", slow)
    flights.join("another key")
    assert seen == []
    release.set()
    flights.join("key")
    finish_background_work()
    assert seen == ["ran"]
    flights.join("key")


def test_join_raises_what_the_work_raised_and_waits_no_longer_than_it_is_told() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    release = threading.Event()

    def fails() -> int:
        release.wait(30)
        raise ZeroDivisionError

    flights.run_in_background("key", fails)
    with pytest.raises(WaitedTooLongError):
        flights.join("key", wait=0)
    for wait in (flights.do, flights.wait_in_background):
        with pytest.raises(WaitedTooLongError):
            wait("key", lambda: 1, wait=0)
    joined = flights.run_in_background("key", lambda: 1)
    release.set()
    assert joined is not None
    assert isinstance(joined.exception(30), ZeroDivisionError)
    finish_background_work()
    assert flights.wait_in_background("key", lambda: 2) == 2


def test_work_in_the_background_has_a_thread_of_that_name_that_ends_with_the_process() -> None:
    flights: SingleFlight[str, tuple[str, bool]] = SingleFlight()
    flight = flights.run_in_background(
        "keys", lambda: (threading.current_thread().name, threading.current_thread().daemon)
    )
    assert flight is not None
    assert flight.result(30) == ("background keys", True)


def test_one_key_has_one_run_whether_in_the_background_or_not() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    release = threading.Event()
    first = flights.run_in_background("key", lambda: int(release.wait(30)))
    for _ in range(2 * MAX_BACKGROUND):  # a caller that joins takes no thread
        assert flights.run_in_background("key", lambda: 5) is first
    release.set()
    assert flights.wait_in_background("key", lambda: 5) in (1, 5)
    finish_background_work()
    assert not flights._running


def test_sixteen_at_a_time_work_in_the_background_and_a_wait_for_one_of_them_stays_short() -> None:
    flights: SingleFlight[int, int] = SingleFlight()
    release = threading.Event()
    try:
        assert None not in [flights.run_in_background(number, lambda: int(release.wait(30))) for number in range(16)]
        assert flights.run_in_background(16, lambda: 1) is None
        with pytest.raises(WaitedTooLongError):
            flights.wait_in_background(5, lambda: 1, wait=0)
    finally:
        release.set()
    finish_background_work()


def test_a_thread_that_cannot_be_had_is_an_error_for_whoever_has_joined_and_for_nobody_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    joined: list[Future[int]] = []

    def none_left(_: threading.Thread) -> None:
        joined.extend(flights._running.values())
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        for _ in range(2 * MAX_BACKGROUND):
            flights.run_in_background("key", lambda: 1)
    assert {str(flight.exception(0)) for flight in joined} == {"can't start new thread"}
    assert flights.wait_in_background("key", lambda: 2) == 2
    started = flights.run_in_background("key", lambda: 3)
    assert started is not None
    assert started.result(30) in (2, 3)
    finish_background_work()
