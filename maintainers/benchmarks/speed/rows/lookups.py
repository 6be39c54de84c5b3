"""Lookups from many threads: whether they slow each other down."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import perf_counter

from shared.services import Services
from shared.settings.settings import Settings

from ..population import SCOPES, Population
from ..result import Result, Spread, compared
from ..tenant import tenant

_USERS = 1000


def measure(quick: bool) -> Iterator[Result]:
    """The peer is what Python threads allow at best: the same hash, and a dict without a lock.

    Each thread has enough to do for Python to take turns (every 5 ms).
    """
    rounds, calls = (3, 200) if quick else (9, 8000)
    with tenant() as there:
        services, token = Services(Settings.from_environ(os.environ)), there.tokens(1)[0]
        population = Population(services, token)
        population.come(range(_USERS))
    bearers = [population.bearer(number) for number in range(_USERS)]
    known, sessions = {hashlib.sha256(bearer.encode()).digest(): bearer for bearer in bearers}, population.sessions

    def ours(bearer: str) -> object:
        return sessions.token_for(sessions.open(bearer), bearer, SCOPES, correlation_id="")

    def peer(bearer: str) -> object:
        return known[hashlib.sha256(bearer.encode()).digest()]

    taken: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for threads in (1, 4, 32):
            for name, call in (("ours", ours), ("peer", peer)):
                taken.setdefault((name, threads), []).append(_per_second(call, bearers, threads, calls))
    for threads in (4, 32):
        shares = {
            name: [many / one for many, one in zip(taken[name, threads], taken[name, 1], strict=True)]
            for name in ("ours", "peer")
        }
        rates = [Spread.of(taken["ours", count]).median for count in (threads, 1)]
        note = f"{rates[0]:,.0f} a second; {rates[1]:,.0f} with one"
        yield compared(f"lookups-{threads}", "times", shares["ours"], shares["peer"], note=note)


def _per_second(call: Callable[[str], object], bearers: list[str], threads: int, calls: int) -> float:
    start = Barrier(threads + 1)

    def run(number: int) -> None:
        start.wait(30)
        for index in range(number, number + calls):
            call(bearers[index % len(bearers)])

    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(run, number * 31) for number in range(threads)]
        start.wait(30)
        started = perf_counter()
        for one in done:
            one.result()
        return calls * threads / (perf_counter() - started)
