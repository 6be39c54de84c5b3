"""Whether a failed call is made once more: seldom, after a random pause, within the deadline, and never into an outage.

The pauses are "full jitter", so that callers who failed together do not come back together.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from .deadline import seconds_left

FIRST_PAUSE_SECONDS = 0.4  # at most; the next one twice as long
MAX_PAUSE_SECONDS = 5.0  # a thread is worth more than a longer wait: whoever is asked for more tells the caller
_CALL_SECONDS = 1.0  # what a call needs at the least; without them a pause is in vain
_BUDGET = 10.0
_PER_SUCCESS = 0.1


class Retries:
    """The retries of all calls to one service. Thread-safe.

    They share a budget: each failure costs one, each success gives a tenth back, and below half nothing is retried. So
    a service that is down gets no more than its usual load.
    """

    def __init__(
        self, attempts: int, sleep: Callable[[float], None], jitter: Callable[[], float] = random.random
    ) -> None:
        self._attempts, self._sleep, self._jitter = attempts, sleep, jitter
        self._budget = _BUDGET
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """To be told of every call that came to its end."""
        if self._budget < _BUDGET:
            with self._lock:
                self._budget = min(_BUDGET, self._budget + _PER_SUCCESS)

    def again(self, attempt: int, asked: float | None) -> bool:
        """Whether to try once more after failed attempt number `attempt`, from 1; the pause is over when it says yes.

        Args:
            asked: the pause in seconds that the service asks for (Retry-After); None: it does not.
        """
        with self._lock:
            self._budget = max(0.0, self._budget - 1)
            affordable = self._budget >= _BUDGET / 2
        pause = (asked or 0.0) + self._jitter() * FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
        fits = pause <= MAX_PAUSE_SECONDS and pause + _CALL_SECONDS <= seconds_left(float("inf"))
        if attempt >= self._attempts or not affordable or not fits:
            return False
        self._sleep(pause)
        return True
