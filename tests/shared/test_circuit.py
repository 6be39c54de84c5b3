"""A service that is down is left alone, and found again."""

from __future__ import annotations

import logging

import pytest

from shared.circuit import FAILURES, OPEN_SECONDS, Circuit
from shared.errors import ServiceUnavailable
from tests.clock import Clock


def broken() -> tuple[Circuit, Clock]:
    clock = Clock()
    circuit = Circuit("Entra", clock)
    for _ in range(FAILURES):
        circuit.admit()
        circuit.failed()
    return circuit, clock


def test_so_many_failures_in_a_row_open_it_and_the_caller_is_told_for_how_long() -> None:
    circuit, clock = broken()
    clock.forward(3.5)
    with pytest.raises(ServiceUnavailable) as raised:
        circuit.admit()
    assert raised.value.retry_after == 7


def test_one_success_starts_the_count_anew() -> None:
    circuit = Circuit("Entra", Clock())
    for _ in range(3 * FAILURES):
        for _ in range(FAILURES - 1):
            circuit.failed()
        circuit.succeeded()
        circuit.admit()


def test_then_one_call_at_a_time_finds_out_whether_it_is_back() -> None:
    circuit, clock = broken()
    clock.forward(OPEN_SECONDS)
    circuit.admit()
    with pytest.raises(ServiceUnavailable):
        circuit.admit()
    circuit.failed()
    with pytest.raises(ServiceUnavailable):
        circuit.admit()


def test_a_probe_that_succeeds_closes_it_for_all() -> None:
    circuit, clock = broken()
    clock.forward(OPEN_SECONDS)
    circuit.admit()
    circuit.succeeded()
    for _ in range(10):
        circuit.admit()


def test_a_probe_that_never_reports_does_not_keep_it_open_for_ever() -> None:
    circuit, clock = broken()
    clock.forward(OPEN_SECONDS)
    circuit.admit()
    clock.forward(OPEN_SECONDS)
    circuit.admit()


def test_opening_and_closing_is_one_log_line_each(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        circuit, clock = broken()
        circuit.failed()
        clock.forward(OPEN_SECONDS)
        circuit.admit()
        circuit.succeeded()
        circuit.succeeded()
    assert [record.getMessage() for record in caplog.records] == [
        f"Entra: {FAILURES} failures in a row, circuit open",
        "Entra: circuit closed, it answers again",
    ]
