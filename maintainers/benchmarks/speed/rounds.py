"""Timing in turns: within a round every candidate has its turn, so that a machine that slows down slows them all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from time import get_clock_info, perf_counter, process_time

Clock = Callable[[], float]

PROCESSOR: Clock = process_time if get_clock_info("process_time").resolution < 1e-4 else perf_counter
"""Processor time of this process, for what waits for nobody; Windows counts it in steps that are too long."""
WALL: Clock = perf_counter
_ROUND_SECONDS = 0.1  # of one candidate in one round
_MOST_CALLS = 20_000


def in_turns(
    candidates: Mapping[str, Callable[[], object]], rounds: int, quick: bool, clock: Clock = PROCESSOR
) -> dict[str, list[float]]:
    """Seconds per call, by candidate, one value a round. How many calls a round has follows from the first few."""
    seconds = _ROUND_SECONDS / 10 if quick else _ROUND_SECONDS
    calls = {name: _calls_within(seconds, call, clock) for name, call in candidates.items()}
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    gc.collect()
    gc.disable()  # as timeit does: what a collection of a big cache takes is in no figure
    try:
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                taken[name].append(_timed(candidates[name], calls[name], clock))
    finally:
        gc.enable()
    return taken


def _calls_within(seconds: float, call: Callable[[], object], clock: Clock) -> int:
    call()
    each = max(_timed(call, 3, clock), 1e-7)
    return max(1, min(_MOST_CALLS, int(seconds / each)))


def _timed(call: Callable[[], object], times: int, clock: Clock) -> float:
    started = clock()
    for _ in range(times):
        call()
    return (clock() - started) / times
