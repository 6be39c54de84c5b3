"""When a call is repeated, and when it is not."""

from __future__ import annotations

import pytest

from shared.net.deadline import within
from shared.net.retries import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, Retries
from tests.support.clock import Clock


def made(attempts: int = 3, jitter: float = 1.0) -> tuple[Retries, Clock]:
    clock = Clock()
    return Retries(attempts, clock.forward, lambda: jitter), clock


def test_the_pauses_grow_and_the_attempts_end() -> None:
    retries, clock = made()
    started = clock()
    assert retries.sleep_before_retry(1, None)
    assert clock() - started == pytest.approx(FIRST_PAUSE_SECONDS)
    assert retries.sleep_before_retry(2, None)
    assert clock() - started == pytest.approx(3 * FIRST_PAUSE_SECONDS)
    assert not retries.sleep_before_retry(3, None)
    assert clock() - started == pytest.approx(3 * FIRST_PAUSE_SECONDS)


def test_a_pause_is_jittered_down_to_nothing() -> None:
    retries, clock = made(jitter=0.0)
    assert retries.sleep_before_retry(1, None)
    assert clock() == Clock()()


def test_retry_after_is_the_least_pause() -> None:
    retries, clock = made(jitter=0.5)
    assert retries.sleep_before_retry(1, 2)
    assert clock() - Clock()() == pytest.approx(2 + FIRST_PAUSE_SECONDS / 2)


def test_a_longer_retry_after_is_not_waited_for() -> None:
    retries, clock = made()
    assert not retries.sleep_before_retry(1, MAX_PAUSE_SECONDS + 1)
    assert clock() == Clock()()


def test_a_pause_must_leave_time_for_the_call() -> None:
    retries, clock = made(jitter=0.0)
    with within(3.5, clock):
        assert not retries.sleep_before_retry(1, 3)
        assert clock() == Clock()()
        assert retries.sleep_before_retry(1, 2)


def test_a_service_that_is_down_is_soon_asked_only_once_per_call() -> None:
    retries, _ = made(jitter=0.0)
    assert [retries.sleep_before_retry(1, None) for _ in range(8)] == [True] * 5 + [False] * 3
    for _ in range(45):
        retries.succeeded()
    assert [retries.sleep_before_retry(1, None) for _ in range(2)] == [True, False]


def test_the_budget_has_an_upper_bound() -> None:
    retries, _ = made(jitter=0.0)
    for _ in range(1000):
        retries.succeeded()
    assert [retries.sleep_before_retry(1, None) for _ in range(7)].count(True) == 5
