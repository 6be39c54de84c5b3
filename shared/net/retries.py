"""The one retry loop: a failed call is repeated a few times, after a random pause, within the deadline.

A shared budget stops retries in an outage. The pauses use "full jitter", so that calls that failed together are not
repeated together.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from .deadline import seconds_left

FIRST_PAUSE_SECONDS = 0.4  # at most; each next pause is twice as long
MAX_PAUSE_SECONDS = 5.0  # no thread sleeps longer; a longer Retry-After is passed on to the client
_CALL_SECONDS = 1.0  # the least that a call needs after a pause
_BUDGET = 10.0
_PER_SUCCESS = 0.1


T = TypeVar("T")


class AttemptFailedError(Exception):
    """One attempt failed.

    `error`: what `Retries.run` raises if no other attempt is made.
    `may_repeat`: whether another attempt can help and is safe.
    `retry_after`: the pause in seconds that the service asks for, or None.
    """

    def __init__(self, error: Exception, *, may_repeat: bool, retry_after: float | None = None) -> None:
        super().__init__()
        self.error, self.may_repeat, self.retry_after = error, may_repeat, retry_after


class Retries:
    """The retries of all calls to one service. Thread-safe.

    All calls share a budget of 10. Each failure costs 1, and each success gives 0.1 back. Below 5, nothing is retried.
    So a service that is down gets no more than its usual load.
    """

    def __init__(
        self,
        attempts: int,
        sleep: Callable[[float], None],
        jitter: Callable[[], float] = random.random,
        first_pause: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """`first_pause`: the longest pause before the second attempt, in seconds; it doubles with each further one."""
        self._attempts, self._sleep, self._jitter, self._first_pause = attempts, sleep, jitter, first_pause
        self._budget = _BUDGET
        self._lock = threading.Lock()

    def run(self, attempt: Callable[[], T]) -> T:
        """The result of the first attempt that does not raise AttemptFailedError.

        Raises:
            Exception: the `error` of the last attempt; or another kind of exception, which is never repeated.
        """
        number = 1
        while True:
            try:
                result = attempt()
            except AttemptFailedError as failed:
                if not (failed.may_repeat and self.sleep_before_retry(number, failed.retry_after)):
                    raise failed.error from None
                number += 1
            else:
                self.succeeded()
                return result

    def succeeded(self) -> None:
        """Gives 0.1 back to the budget."""
        if self._budget < _BUDGET:
            with self._lock:
                self._budget = min(_BUDGET, self._budget + _PER_SUCCESS)

    def sleep_before_retry(self, attempt: int, retry_after: float | None) -> bool:
        """Sleeps before the next attempt, if one may be made. Returns whether it may.

        Args:
            attempt: the number of the attempt that failed, from 1.
            retry_after: the pause in seconds that the service asks for, or None.
        """
        with self._lock:
            self._budget = max(0.0, self._budget - 1)
            affordable = self._budget >= _BUDGET / 2
        pause = (retry_after or 0.0) + self._jitter() * self._first_pause * 2 ** (attempt - 1)
        fits = pause <= MAX_PAUSE_SECONDS and pause + _CALL_SECONDS <= seconds_left(float("inf"))
        if attempt >= self._attempts or not affordable or not fits:
            return False
        self._sleep(pause)
        return True
