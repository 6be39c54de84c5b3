"""The one retry loop: a failed call is rarely repeated, after a random pause, within the deadline, never in an outage.

The pauses are "full jitter", so that callers who failed together do not come back together.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from .deadline import seconds_left

FIRST_PAUSE_SECONDS = 0.4  # at most; the next one twice as long
MAX_PAUSE_SECONDS = 5.0  # never hold a thread longer; pass a longer Retry-After on to the client
_CALL_SECONDS = 1.0  # what a call needs at the least; without them a pause is in vain
_BUDGET = 10.0
_PER_SUCCESS = 0.1


T = TypeVar("T")


class AttemptFailedError(Exception):
    """One attempt failed.

    `error`: what `Retries.run` raises when no other attempt is made. `may_repeat`: whether one can help and does no
    harm. `retry_after`: the pause in seconds that the service asks for; None: it does not.
    """

    def __init__(self, error: Exception, *, may_repeat: bool, retry_after: float | None = None) -> None:
        super().__init__()
        self.error, self.may_repeat, self.retry_after = error, may_repeat, retry_after


class Retries:
    """The retries of all calls to one service. Thread-safe.

    They share a budget: each failure costs one, each success gives a tenth back, and below half nothing is retried. So
    a service that is down gets no more than its usual load.
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
        """Gives a tenth of a failure's cost back."""
        if self._budget < _BUDGET:
            with self._lock:
                self._budget = min(_BUDGET, self._budget + _PER_SUCCESS)

    def sleep_before_retry(self, attempt: int, retry_after: float | None) -> bool:
        """Whether to try once more after failed attempt number `attempt`, from 1; the pause is over when it says yes.

        Args:
            retry_after: the pause in seconds that the service asks for; None: it does not.
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
