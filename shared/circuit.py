"""Leaves a service that is down alone for a while, so that callers fail at once and it can recover."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from .errors import ServiceUnavailable

FAILURES = 5  # in a row: no answer, or one that says that the service is broken
OPEN_SECONDS = 10.0

log = logging.getLogger(__name__)


class Circuit:
    """Closed until FAILURES calls in a row have failed; then open, but for one call every OPEN_SECONDS. Thread-safe."""

    def __init__(
        self,
        service: str,
        now: Callable[[], float],
        failures: int = FAILURES,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        self._service, self._now, self._limit, self._open_seconds = service, now, failures, open_seconds
        self._failures = 0
        self._open_until = float("-inf")
        self._lock = threading.Lock()

    def admit(self) -> None:
        """To be asked before each call.

        Raises:
            ServiceUnavailable: the circuit is open; says for how long.
        """
        if self._failures < FAILURES:
            return
        with self._lock:
            wait = self._open_until - self._now()
            if self._failures >= self._limit and wait > 0:
                raise ServiceUnavailable(retry_after=math.ceil(wait), reason=f"{self._service}: circuit open")
            self._open_until = (
                self._now() + self._open_seconds
            )  # this call is the probe; the next one is not before then

    def succeeded(self) -> None:
        """To be told of every answer, whatever it says: the service is there."""
        if self._failures:
            with self._lock:
                was_open, self._failures = self._failures >= self._limit, 0
            if was_open:
                log.warning("%s: circuit closed, it answers again", self._service)

    def failed(self) -> None:
        """To be told of every call that got no answer, or one that says that the service is broken."""
        with self._lock:
            self._failures += 1
            opens = self._failures == self._limit
            if self._failures >= self._limit:
                self._open_until = self._now() + self._open_seconds
        if opens:
            log.warning("%s: %d failures in a row, circuit open", self._service, self._limit)
