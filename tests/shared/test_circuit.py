"""A service that is down is left alone, and found again."""

from __future__ import annotations

import logging

import pytest

from shared.net.circuit_breaker import FAILURES, FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS, CircuitBreaker, CircuitOpenError
from tests.support.clock import Clock


def broken() -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    circuit = CircuitBreaker("Entra", clock)
    for _ in range(FAILURES):
        circuit.check()
        circuit.failed()
    return circuit, clock


def test_so_many_failures_in_a_row_open_it_and_the_caller_is_told_for_how_long() -> None:
    circuit, clock = broken()
    clock.forward(FIRST_OPEN_SECONDS / 2)
    with pytest.raises(CircuitOpenError) as raised:
        circuit.check()
    assert raised.value.seconds == FIRST_OPEN_SECONDS / 2


def test_one_success_starts_the_count_anew() -> None:
    circuit = CircuitBreaker("Entra", Clock())
    for _ in range(3 * FAILURES):
        for _ in range(FAILURES - 1):
            circuit.failed()
        circuit.succeeded()
        circuit.check()


def test_then_one_call_at_a_time_finds_out_whether_it_is_back() -> None:
    circuit, clock = broken()
    clock.forward(FIRST_OPEN_SECONDS)
    circuit.check()
    with pytest.raises(CircuitOpenError):
        circuit.check()
    circuit.failed()
    with pytest.raises(CircuitOpenError):
        circuit.check()


def test_a_probe_that_succeeds_closes_it_for_all() -> None:
    circuit, clock = broken()
    clock.forward(FIRST_OPEN_SECONDS)
    circuit.check()
    circuit.succeeded()
    for _ in range(10):
        circuit.check()


def test_a_probe_that_never_reports_does_not_keep_it_open_for_ever() -> None:
    circuit, clock = broken()
    clock.forward(FIRST_OPEN_SECONDS)
    circuit.check()
    clock.forward(MAX_OPEN_SECONDS)
    circuit.check()


def test_each_probe_that_fails_doubles_the_time_to_the_next_up_to_a_bound() -> None:
    circuit, clock = broken()
    waits = []
    for _ in range(6):
        started = clock()
        while True:
            try:
                circuit.check()
                break
            except CircuitOpenError:
                clock.forward(0.5)
        waits.append(clock() - started)
        circuit.failed()
    assert waits == [1, 2, 4, 8, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS]


def test_calls_from_before_it_opened_do_not_prolong_it() -> None:
    circuit, clock = broken()
    for _ in range(50):
        circuit.failed()
    clock.forward(FIRST_OPEN_SECONDS)
    circuit.check()


def test_opening_and_closing_is_one_log_line_each(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        circuit, clock = broken()
        circuit.failed()
        clock.forward(FIRST_OPEN_SECONDS)
        circuit.check()
        circuit.succeeded()
        circuit.succeeded()
    assert [record.getMessage() for record in caplog.records] == [
        f"Entra: {FAILURES} failures in a row (no response), circuit open",
        "Entra: circuit closed, it responds again",
    ]


def test_a_probe_that_learns_nothing_leaves_the_next_caller_to_find_out() -> None:
    circuit, clock = broken()
    clock.forward(FIRST_OPEN_SECONDS)
    for _ in range(3):
        circuit.check()
        circuit.undecided()
    circuit.check()
    circuit.succeeded()
    circuit.check()


@pytest.mark.parametrize("back", [60, 3600, 86_400])
def test_a_clock_that_is_set_back_does_not_keep_it_open(back: float) -> None:
    circuit, clock = broken()
    clock.forward(-back)
    circuit.check()
    with pytest.raises(CircuitOpenError):  # one probe, as ever
        circuit.check()
