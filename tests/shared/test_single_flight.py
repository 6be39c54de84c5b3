from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from shared.single_flight import SingleFlight


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
