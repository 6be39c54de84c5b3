"""A million different tokens in one process with the usual bounds: whether its memory grows."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator

from maintainers.tests.soak.memory import megabytes
from shared.services import Services
from shared.settings.settings import Settings

from ..msal_peer import MsalPeer
from ..population import Population
from ..result import Result, Spread
from ..tenant import tenant
from . import Skipped

_FEW, _MANY = 100_000, 1_000_000
_CHUNK = 10_000


def measure(quick: bool) -> Iterator[Result]:
    """MSAL is given a twentieth: it keeps them all."""
    if megabytes(os.getpid()) is None:
        raise Skipped("this system does not say how much memory a process has")
    few, many = (_FEW // 50, _MANY // 50) if quick else (_FEW, _MANY)
    with tenant() as there:
        services, token = Services(Settings.from_environ(os.environ)), there.tokens(1)[0]
        population = Population(services, token)
        ours, small, large = _growth(population.come, few, many)
        kept = len(population.sessions)
        del population
        msal = MsalPeer(there.pfx())
        peer, _, grown = _growth(lambda numbers: msal.fill(token, len(numbers)), few // 20, many // 20)
    note = f"{small:.0f} MB, then {large:.0f} MB with {kept} sessions; MSAL {grown:.0f} MB after {many // 20:,} tokens"
    yield Result("resident", "times", Spread.exactly(ours), Spread.exactly(peer), note=note)


def _growth(come: Callable[[range], object], few: int, many: int) -> tuple[float, float, float]:
    """The resident size after many against that after few, and both in megabytes."""
    for start in range(0, few, _CHUNK):
        come(range(start, min(start + _CHUNK, few)))
    small = _settled()
    for start in range(few, many, _CHUNK):
        come(range(start, min(start + _CHUNK, many)))
    large = _settled()
    return large / small, small, large


def _settled() -> float:
    gc.collect()
    return megabytes(os.getpid()) or 0.0
