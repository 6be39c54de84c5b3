from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from shared.single_flight import MAX_BACKGROUND, SingleFlight


def run_together(flights: SingleFlight[str, int], work: list[str], outcome: int | Exception) -> list[object]:
    """Twenty callers of one key; the one who works waits until all twenty have asked."""
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

    flights._flights = Counting()

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
    assert not flights._flights


def test_work_beside_the_requests_is_bounded() -> None:
    flights: SingleFlight[int, int] = SingleFlight()
    release = threading.Event()
    started = [flights.start(number, lambda: int(release.wait(30))) for number in range(MAX_BACKGROUND)]
    assert flights.start(MAX_BACKGROUND, lambda: 1) is None
    assert flights.do_beside(MAX_BACKGROUND, lambda: 2) == 2
    release.set()
    assert [flight.result(30) for flight in started if flight] == [1] * MAX_BACKGROUND
    for thread in threading.enumerate():
        if thread.name.startswith("background "):
            thread.join(30)
    assert flights.start(0, lambda: 3) is not None


def test_a_thread_that_cannot_be_had_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    for _ in range(2 * MAX_BACKGROUND):
        assert flights.start("key", lambda: 1) is None
    assert flights.do("key", lambda: 2) == 2
    assert flights.do_beside("key", lambda: 3) == 3
