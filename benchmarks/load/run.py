"""One run, from the first call to the last, with the memory measured and Redis killed meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from tests.soak.memory import megabytes

from .mix import BAD, Step, plan, warm_up
from .observed import Observed
from .plant import Plant, Result, running

_KNOWN = 40  # tokens that are known everywhere before the counting begins
_SETTLE_SECONDS = 5.0  # for the last lines of a log


@dataclass(frozen=True)
class Ask:
    """What kind of run; as it is, the usual one."""

    seconds: float = 60.0
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
    results: dict[int, Result]
    observed: Observed
    took: float
    memory: list[tuple[int | None, int | None, int | None]]  # of each process: start, middle, end
    sessions_since_middle: int  # new ones, in the process that has most of them
    uses: set[tuple[int, str, int]]  # of the warm-up as well: token, path, process
    killed: bool


def run(ask: Ask, tell: Callable[[str], None]) -> Run:
    """Takes the asked time, and some ten seconds to start."""
    tell(f"starting the tenant and {ask.processes} API processes …")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), ask.processes, with_redis=ask.redis) as plant:
        first = warm_up(_KNOWN, ask.processes)
        plant.call(first, per_second=0, threads=ask.threads)
        plant.results()
        steps = plan(int(ask.seconds * ask.per_second), _KNOWN, ask.processes, ask.seed, len(first))
        for step in steps:
            plant.bearer(step)  # made beforehand
        tell(f"{ask.processes} API processes are up; {len(steps):,} calls in {ask.seconds:g} s")
        return _measured(plant, ask, first, steps)


def _measured(plant: Plant, ask: Ask, first: list[Step], steps: list[Step]) -> Run:
    pids, ended = [api.pid for api in plant.apis], Event()
    start, killed, middle = _sizes(pids), Event(), []

    def meddle() -> None:
        ended.wait(ask.seconds / 2)
        middle.extend(_sizes(pids))
        if ask.kill_redis and plant.redis is not None:
            killed.set()
            plant.redis.kill()
            if not ended.wait(ask.seconds / 4):
                plant.redis.start()

    beside, started = Thread(target=meddle, name="meddler"), time.monotonic()
    plant.call(steps, per_second=ask.per_second, threads=ask.threads)
    beside.start()
    results = plant.results()
    took = time.monotonic() - started
    ended.set()
    beside.join()
    _all_logged(plant.observed, steps)
    half = len(steps) // 2
    return Run(
        ask=ask,
        steps=steps,
        results=results,
        observed=plant.observed,
        took=took,
        memory=list(zip(start, middle, _sizes(pids), strict=True)),
        sessions_since_middle=new_sessions([*first, *steps[:half]], steps[half:]),
        uses={(*step.use, step.process) for step in [*first, *steps] if step.kind != BAD},
        killed=killed.is_set(),
    )


def _sizes(pids: list[int]) -> list[int | None]:
    return [None if (size := megabytes(pid)) is None else int(size * 2**20) for pid in pids]


def new_sessions(before: Iterable[Step], steps: Iterable[Step]) -> int:
    """How many sessions these steps make, in the process in which they make most."""
    known, held = ({(step.token, step.process) for step in each if step.kind != BAD} for each in (before, steps))
    return max(Counter(process for _, process in held - known).values(), default=0)


def _all_logged(observed: Observed, steps: list[Step]) -> None:
    """The lines are read beside; the last ones may still be on their way."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until and any(step.number not in observed.requests for step in steps):
        time.sleep(0.05)
