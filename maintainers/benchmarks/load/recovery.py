"""After Redis was killed and came back: calls that need it, until every process uses it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from shared.net.circuit_breaker import MAX_OPEN_SECONDS

from .mix import NEW, PATHS, Step
from .observed import Observed

_ROUNDS = int(2 * MAX_OPEN_SECONDS) + 2  # a second each: for a circuit, and for one that is asked only after it


def rounds(
    observed: Observed, after: Sequence[Step], processes: int, sleep: Callable[[float], object] = time.sleep
) -> Iterator[list[Step]]:
    """Calls to be made, one for each process, each with a new token; no more when no circuit is open any longer.

    A circuit closes when a call has got through, and a process that nobody calls would leave Redis alone forever.
    """
    number, token = max(step.number for step in after) + 1, max(step.token for step in after) + 1
    for turn in range(_ROUNDS):
        if not observed.open_circuits:
            return
        first = turn * processes
        yield [Step(number + at, NEW, token + at, at - first, PATHS[0]) for at in range(first, first + processes)]
        sleep(1.0)
