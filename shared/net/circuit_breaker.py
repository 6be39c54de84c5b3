"""Circuit breaker: after repeated failures, a service is not called for a while, so that it can recover.

Meanwhile callers fail at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

FAILURES = 5  # in a row: no response, or a response of a broken service
FIRST_OPEN_SECONDS = 1.0  # short: a short failure of the service must not become a long one of this API
MAX_OPEN_SECONDS = 10.0

log = logging.getLogger(__name__)


class CircuitOpenError(Exception):
    """The service is not called for the next `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("circuit open")
        self.seconds = seconds


class CircuitBreaker:
    """Closed until FAILURES calls in a row have failed. Then it is open: only a probe, one call, may go through.

    The first probe comes after a second. Each probe that fails doubles the time to the next. Thread-safe.
    """

    def __init__(self, service: str, now: Callable[[], float], failures: int = FAILURES) -> None:
        self._service, self._now, self._limit = service, now, failures
        self._failures = 0
        self._opened_for, self._open_until = FIRST_OPEN_SECONDS, float("-inf")
        self._is_probing = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Call this before each call of the service.

        Raises:
            CircuitOpenError: the circuit is open. The error says for how long.
        """
        if self._failures < self._limit:
            return
        with self._lock:
            wait = self._open_until - self._now()
            if self._failures < self._limit:
                return
            if 0 < wait <= MAX_OPEN_SECONDS:  # a longer wait means that the clock was set back
                raise CircuitOpenError(wait)
            self._is_probing, self._open_until = (
                True,
                self._now() + MAX_OPEN_SECONDS,
            )  # for a probe that never reports

    @property
    def is_open(self) -> bool:
        """Whether only a probe may call the service."""
        return self._failures >= self._limit

    def succeeded(self) -> None:
        """Call this after a call that shows that the service works."""
        if self._failures:
            with self._lock:
                was_open, self._failures = self._failures >= self._limit, 0
            if was_open:
                log.warning("%s: circuit closed, it responds again", self._service)

    def undecided(self) -> None:
        """Call this after a call that says nothing about the service. After a probe, the next call is the probe."""
        with self._lock:
            if self._is_probing:
                self._is_probing, self._open_until = False, self._now()

    def failed(self, failure: str = "no response") -> None:
        """Call this after a call without a response, or with one of a broken service. `failure` goes into the log."""
        with self._lock:
            self._failures += 1
            opens = self._failures == self._limit
            if opens:
                self._opened_for = FIRST_OPEN_SECONDS
            elif self._is_probing:  # else the call began before the circuit opened
                self._opened_for = min(2 * self._opened_for, MAX_OPEN_SECONDS)
            if opens or self._is_probing:
                self._open_until, self._is_probing = self._now() + self._opened_for, False
        if opens:
            log.warning("%s: %d failures in a row (%s), circuit open", self._service, self._limit, failure)
