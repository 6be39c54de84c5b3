"""Many callers whose functions wait for Graph: `async def`, next to a bare function that awaits httpx2."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from ..result import Result
from . import Skipped
from .waiting import compared_routes


def measure(quick: bool) -> Iterator[Result]:
    """`async def` functions. Raises Skipped."""
    if importlib.util.find_spec("httpx2") is None:
        raise Skipped("the package httpx2 is not installed; `python3 dev.py bench` installs it")
    yield compared_routes("awaiting", "awaits", "bare_awaits", quick)
