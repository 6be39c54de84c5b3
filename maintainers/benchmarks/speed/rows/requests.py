"""Requests through the library that runs functions in Azure, without HTTP: a guarded route and a bare one."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median

from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.invocations import invocation
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import Engine, Invocation
from emulators.functions_host.requests import Request
from emulators.functions_host.router import Router

from ..result import Result, compared
from ..rounds import PROCESSOR
from ..tenant import tenant

APPS = Path(__file__).resolve().parents[1] / "apps"
_AT_A_TIME = 4
_USERS = 50


def measure(quick: bool) -> Iterator[Result]:
    """The routes are of one app in one process, so they share its threads, its log and its garbage."""
    with tenant() as there:
        logging.basicConfig(level="INFO", stream=open(os.devnull, "w", encoding="utf-8"), force=True)  # noqa: SIM115
        yield asyncio.run(_measured(there.tokens(4 if quick else _USERS), *((3, 60) if quick else (15, 600))))


async def _measured(tokens: Sequence[str], rounds: int, calls: int) -> Result:
    engine = in_process_engine()
    try:
        router = Router(await engine.index(AppLayout.read(APPS, "both_app.py")), "api")
        taken: dict[str, list[float]] = {"known": [], "hello": [], "logged": [], "quiet": []}
        for token in tokens:
            await rate(engine, [call(router, "known", token)])
        for number in range(rounds):
            for name in turns(taken, number):
                quiet = name == "quiet"
                route = "known" if quiet else name
                calls_now = [call(router, route, tokens[index % len(tokens)]) for index in range(calls)]
                with without_its_line() if quiet else nullcontext():
                    taken[name].append(await rate(engine, calls_now))
    finally:
        engine.close()
    how = f"the {engine.name} engine; {_AT_A_TIME} requests at a time; the log at INFO, thrown away"
    note = f"{how}; {of_logged(taken)}; {of_quiet(taken)}"
    return compared("requests", "rate", taken["known"], taken["logged"], note=note)


def turns(names: Iterable[str], number: int) -> Iterator[str]:
    """The names in the order of this round: nobody is always first."""
    return iter(sorted(names, reverse=bool(number % 2)))


def of_logged(taken: Mapping[str, Sequence[float]]) -> str:
    """What the one line in the log does to the hello route by itself."""
    rate, plain = median(taken["logged"]), median(taken["hello"])
    return f"a hello route that writes no line: {plain:,.0f}/s, so the line alone leaves {rate / plain:.2f} of it"


def of_quiet(taken: Mapping[str, Sequence[float]]) -> str:
    """What is left of the distance when a guarded request writes no line, either."""
    rate, plain = median(taken["quiet"]), median(taken["hello"])
    return f"ours without its line: {rate:,.0f}/s, {rate / plain:.2f} of the hello route"


@contextmanager
def without_its_line() -> Iterator[None]:
    """Guarded requests of this process write nothing into the log inside the block."""
    logger = logging.getLogger("shared.telemetry.request_record")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def call(router: Router, name: str, token: str, **headers: str) -> Invocation:
    """What the host hands over; made before the clock runs, as in Azure that is another process."""
    found = router.match("GET", f"/api/{name}")
    if found is None:
        raise RuntimeError(f"the app has no route {name}")
    every = {"host": "localhost", "authorization": f"Bearer {token}", **headers}
    return invocation(Request("GET", f"/api/{name}", "", tuple(every.items())), b"", *found)


async def rate(engine: Engine, calls: list[Invocation]) -> float:
    """Requests per second of processor time, a few at a time. Raises RuntimeError when one fails."""
    waiting = list(calls)

    async def work() -> None:
        while waiting:
            reply = await engine.invoke(waiting.pop())
            if reply is None or reply.value["status_code"].value != "200":
                raise RuntimeError("not answered with 200")

    started = PROCESSOR()
    await asyncio.gather(*(work() for _ in range(_AT_A_TIME)))
    return len(calls) / (PROCESSOR() - started)
