"""Many callers whose functions wait for Graph: `def`, next to a bare function that calls with requests."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from time import perf_counter

from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import Engine, Invocation
from emulators.functions_host.router import Router

from ..result import Result, compared
from ..tenant import tenant
from .requests import APPS, call, turns

CALLERS = 64
GRAPH_SECONDS = 0.2


def measure(quick: bool) -> Iterator[Result]:
    """`def` functions."""
    yield compared_routes("waiting", "waits", "bare", quick)


def compared_routes(row: str, ours: str, peer: str, quick: bool, callers: int = CALLERS) -> Result:
    """Both routes of one app in turns, in a process that has one core to itself where the system can arrange it."""
    rounds, each = (1, 1) if quick else (7, 8)
    with tenant() as there:
        graph, tokens = there.graph_token(), there.tokens(4 if quick else callers)
        there.delays(graph=GRAPH_SECONDS)
        core = _one_core()
        logging.basicConfig(level="INFO", stream=open(os.devnull, "w", encoding="utf-8"), force=True)  # noqa: SIM115
        taken = asyncio.run(_measured((ours, peer), tokens, graph, rounds, each, callers))
    ideal = callers / GRAPH_SECONDS
    note = (
        f"{callers} callers, Graph answers after {GRAPH_SECONDS * 1000:.0f} ms, {core}; without any work: {ideal:.0f}/s"
    )
    return compared(row, "rate", taken[ours], taken[peer], note=note)


async def _measured(
    routes: Sequence[str], tokens: Sequence[str], graph: str, rounds: int, each: int, callers: int
) -> dict[str, list[float]]:
    engine = in_process_engine()
    taken: dict[str, list[float]] = {name: [] for name in routes}
    try:
        router = Router(await engine.index(AppLayout.read(APPS, "waiting_app.py")), "api")
        for name in routes:  # from now on tokens are known and connections open
            every = [call(router, name, token, **{"x-graph": f"Bearer {graph}"}) for token in tokens]
            await _rate(engine, every, callers)
        for number in range(rounds):
            for name in turns(taken, number):
                calls = [
                    call(router, name, token, **{"x-graph": f"Bearer {graph}"}) for token in tokens for _ in range(each)
                ]
                taken[name].append(await _rate(engine, calls, callers))
    finally:
        engine.close()
    return taken


def _one_core() -> str:
    """Takes one core for this process, as an instance of 2,048 MB has it; says so."""
    if not hasattr(os, "sched_setaffinity"):
        return "all cores"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return "one core"


async def _rate(engine: Engine, calls: list[Invocation], callers: int) -> float:
    """Responses per second with so many requests in flight. Raises RuntimeError for one that is not 200."""

    async def caller() -> None:
        while calls:
            reply = await engine.invoke(calls.pop())
            if reply is None or reply.value["status_code"].value != "200":
                raise RuntimeError("not answered with 200")

    count, started = len(calls), perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return count / (perf_counter() - started)
