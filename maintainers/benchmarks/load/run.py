"""One run, from the first call to the last, with the memory measured and Redis killed meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from maintainers.tests.soak.memory import megabytes

from .mix import BAD, Step, plan, warm_up
from .observed import Observed
from .plant import Plant, Result, running
from .recovery import rounds

_KNOWN = 40  # tokens that are known everywhere before the counting begins
_SETTLE_SECONDS = 5.0  # for the last lines of a log


@dataclass(frozen=True)
class Ask:
    """What kind of run; as it is, the usual one."""

    seconds: float = 120.0
    processes: int = 4
    per_second: float = 40.0
    threads: int = 16
    seed: int = 1
    redis: bool = False
    kill_redis: bool = False


@dataclass(frozen=True)
class Run:
    """What a run saw."""

    ask: Ask
    steps: list[Step]
    uncounted: list[Step]  # the warm-up, and what follows the return of Redis: judged, but in no figure
    results: dict[int, Result]  # of both
    observed: Observed
    took: float
    memory: list[tuple[int | None, int | None, int | None]]  # of each process: start, middle, end
    sessions_since_middle: int  # new ones, in the process that has most of them
    uses: set[tuple[str, str, int]]  # of both: token and scope set as Entra sees them, and the process
    killed: bool


def run(ask: Ask, tell: Callable[[str], None]) -> Run:
    """Takes the asked time, and some ten seconds to start."""
    tell(f"starting the tenant and {ask.processes} API processes …")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), ask.processes, with_redis=ask.redis) as plant:
        first = warm_up(_KNOWN, ask.processes)
        warm = _called(plant, ask, first)
        steps = plan(int(ask.seconds * ask.per_second), _KNOWN, ask.processes, ask.seed, len(first))
        for step in steps:
            plant.bearer(step)  # made beforehand
        tell(f"{ask.processes} API processes are up; {len(steps):,} calls in {ask.seconds:g} s")
        return _measured(plant, ask, first, warm, steps)


def _called(plant: Plant, ask: Ask, steps: list[Step]) -> dict[int, Result]:
    """As fast as it goes."""
    plant.call(steps, per_second=0, threads=ask.threads)
    return plant.results()


def _measured(plant: Plant, ask: Ask, first: list[Step], warm: dict[int, Result], steps: list[Step]) -> Run:
    pids, ended = [api.pid for api in plant.apis], Event()
    start, killed, middle = _sizes(pids), Event(), []

    def meddle() -> None:
        ended.wait(ask.seconds / 2)
        middle.extend(_sizes(pids))
        if ask.kill_redis and plant.redis is not None:
            killed.set()
            plant.redis.kill()
            ended.wait(ask.seconds / 4)
            plant.redis.start()

    beside, started = Thread(target=meddle, name="meddler"), time.monotonic()
    plant.call(steps, per_second=ask.per_second, threads=ask.threads)
    beside.start()
    try:
        results = plant.results()
        took = time.monotonic() - started
    finally:  # or after Ctrl-C it would meddle with what is no longer there
        ended.set()
        beside.join()
    _all_logged(plant.observed, steps)
    half, end = len(steps) // 2, _sizes(pids)
    last, late = _until_used_again(plant, ask, [*first, *steps]) if killed.is_set() else ([], {})
    uncounted = [*first, *last]
    _all_logged(plant.observed, uncounted)
    return Run(
        ask=ask,
        steps=steps,
        uncounted=uncounted,
        results=warm | results | late,
        observed=plant.observed,
        took=took,
        memory=list(zip(start, middle, end, strict=True)),
        sessions_since_middle=new_sessions([*first, *steps[:half]], steps[half:]),
        uses={(*plant.exchange(step), step.process) for step in [*uncounted, *steps] if step.kind != BAD},
        killed=killed.is_set(),
    )


def _until_used_again(plant: Plant, ask: Ask, before: list[Step]) -> tuple[list[Step], dict[int, Result]]:
    steps, results = list[Step](), dict[int, Result]()
    for each in rounds(plant.observed, before, ask.processes):
        steps += each
        results |= _called(plant, ask, each)
    return steps, results


def _sizes(pids: list[int]) -> list[int | None]:
    return [None if (size := megabytes(pid)) is None else int(size * 2**20) for pid in pids]


def new_sessions(before: Iterable[Step], steps: Iterable[Step]) -> int:
    """How many sessions these steps make, in the process in which they make most."""
    known, held = ({(step.token, step.process) for step in each if step.kind != BAD} for each in (before, steps))
    return max(Counter(process for _, process in held - known).values(), default=0)


def _all_logged(observed: Observed, steps: list[Step]) -> None:
    """The lines are read in the background. The last ones may not have arrived."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until and any(step.number not in observed.requests for step in steps):
        time.sleep(0.05)
