"""One run, from the first call to the last, with the memory measured and Redis killed meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from .memory import resident_bytes
from .mix import BAD, Step, plan, warm_up
from .observed import Observed
from .plant import Plant, Result, running

_KNOWN = 40  # tokens that are known everywhere before the counting begins
_SETTLE_SECONDS = 5.0  # for the last lines of a log


@dataclass(frozen=True)
class Ask:
    """What kind of run."""

    seconds: float
    processes: int
    per_second: float
    threads: int
    seed: int
    redis: bool
    kill_redis: bool


@dataclass(frozen=True)
class Run:
    """What a run saw."""

    ask: Ask
    steps: list[Step]
    results: dict[int, Result]
    observed: Observed
    took: float
    memory: list[tuple[int | None, int | None, int | None]]  # of each process: start, middle, end
    sessions_since_middle: int  # new ones, at most, in one process
    uses: set[tuple[int, str, int]]  # of the warm-up as well: token, path, process
    killed: bool


def run(ask: Ask, tell: Callable[[str], None]) -> Run:
    """Takes the asked time, and some ten seconds to start."""
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
    half = steps[len(steps) // 2 :]
    return Run(
        ask=ask,
        steps=steps,
        results=results,
        observed=plant.observed,
        took=took,
        memory=list(zip(start, middle, _sizes(pids), strict=True)),
        sessions_since_middle=len({step.token for step in half if step.kind != BAD}),
        uses={(*step.use, step.process) for step in [*first, *steps] if step.kind != BAD},
        killed=killed.is_set(),
    )


def _sizes(pids: list[int]) -> list[int | None]:
    return [resident_bytes(pid) for pid in pids]


def _all_logged(observed: Observed, steps: list[Step]) -> None:
    """The lines are read beside; the last ones may still be on their way."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until and any(step.number not in observed.requests for step in steps):
        time.sleep(0.05)
