"""One deadline per request, and the waits that it cuts short."""

from __future__ import annotations

import contextvars
import threading

import pytest

from shared.net.deadline import seconds_left, within
from shared.net.single_flight import SingleFlight, WaitedTooLongError
from tests.support.clock import Clock


def test_outside_a_request_there_is_none() -> None:
    assert seconds_left(15.0) == 15.0


def test_waits_are_cut_to_what_is_left() -> None:
    clock = Clock()
    with within(60, clock):
        assert seconds_left(15.0) == 15.0
        clock.forward(50)
        assert seconds_left(15.0) == pytest.approx(10.0)
        clock.forward(11)
        assert seconds_left(15.0) == 0.0
    assert seconds_left(15.0) == 15.0


def test_an_inner_deadline_shortens_and_never_lengthens() -> None:
    clock = Clock()
    with within(10, clock):
        with within(60, clock):
            assert seconds_left(100.0) == pytest.approx(10.0)
        with within(5, clock):
            assert seconds_left(100.0) == pytest.approx(5.0)
        assert seconds_left(100.0) == pytest.approx(10.0)


def test_a_deadline_goes_along_with_the_context_but_not_into_other_threads() -> None:
    clock, seen = Clock(), []
    with within(10, clock):
        context = contextvars.copy_context()
        for run in (
            lambda: seen.append(seconds_left(99.0)),
            lambda: context.run(lambda: seen.append(seconds_left(99.0))),
        ):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert seen == [99.0, pytest.approx(10.0)]


def test_whoever_waits_for_another_thread_waits_no_longer_than_that() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    release, clock = threading.Event(), Clock()
    flights.run_in_background("key", lambda: "late" if release.wait(30) else "")
    with within(1, clock):
        clock.forward(2)
        with pytest.raises(WaitedTooLongError):
            flights.do("key", lambda: "never run")
    release.set()
    assert flights.do("key", lambda: "late") == "late"


def test_work_in_the_background_outlives_the_request() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    release, clock = threading.Event(), Clock()
    with within(1, clock):
        clock.forward(2)
        with pytest.raises(WaitedTooLongError):
            flights.wait_in_background("key", lambda: "loaded" if release.wait(30) else "")
    waiting = flights.run_in_background("key", lambda: "a second load")
    release.set()
    assert waiting is not None
    assert waiting.result(30) == "loaded"
