"""More callers than threads, whose functions wait for Graph: `def`, next to a bare function that awaits httpx2."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from ..result import Result
from . import Skipped
from .waiting import compared_routes


def measure(quick: bool) -> Iterator[Result]:
    """`def` functions, against the faster of the two ways to call by hand. Raises Skipped."""
    if importlib.util.find_spec("httpx2") is None:
        raise Skipped("the package httpx2 is not installed; `python3 dev.py bench` installs it")
    yield compared_routes("crowd", "waits", "bare_awaits", quick, callers=100)
