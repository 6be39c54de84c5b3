"""One guarded request with one call of Graph over TLS, next to a bare function that calls with requests by hand."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence

from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import Engine, Invocation
from emulators.functions_host.router import Router

from ..result import Result, compared
from ..rounds import PROCESSOR
from ..tenant import tenant
from .requests import APPS, call, turns

_ROUTES = ("waits", "bare")
_USERS = 20


def measure(quick: bool) -> Iterator[Result]:
    """Processor time of this process: one request at a time, known tokens, open connections."""
    with tenant() as there:
        logging.basicConfig(level="INFO", stream=open(os.devnull, "w", encoding="utf-8"), force=True)  # noqa: SIM115
        size = (2, 10) if quick else (61, 50)
        taken = asyncio.run(_measured(there.tokens(2 if quick else _USERS), there.graph_token(), *size))
    ours, bare = ([1 / rate for rate in taken[name]] for name in _ROUTES)
    yield compared("call", "time", ours, bare, note="one line in the log for ours, none for the bare function")


async def _measured(tokens: Sequence[str], graph: str, rounds: int, calls: int) -> dict[str, list[float]]:
    engine = in_process_engine()
    taken: dict[str, list[float]] = {name: [] for name in _ROUTES}
    try:
        router = Router(await engine.index(AppLayout.read(APPS, "waiting_app.py")), "api")
        for number in range(-1, rounds):  # the first time is for exchanges and connections
            for name in turns(taken, number):
                every = [
                    call(router, name, tokens[index % len(tokens)], **{"x-graph": f"Bearer {graph}"})
                    for index in range(calls)
                ]
                rate = await _rate(engine, every)
                if number >= 0:
                    taken[name].append(rate)
    finally:
        engine.close()
    return taken


async def _rate(engine: Engine, calls: Sequence[Invocation]) -> float:
    """Requests per second of processor time. Raises RuntimeError for one that is not 200."""
    started = PROCESSOR()
    for each in calls:
        reply = await engine.invoke(each)
        if reply is None or reply.value["status_code"].value != "200":
            raise RuntimeError("not answered with 200")
    return len(calls) / (PROCESSOR() - started)
