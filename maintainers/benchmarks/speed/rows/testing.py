"""The time of your own test: the start of the emulated tenant in its process, and one call of a function."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest

from tests.support.tenant import Tenant, emulated, one_test, with_settings

from ..result import Result, compared


def measure(quick: bool) -> Iterator[Result]:
    """Each round: a tenant of its own, one call that loads what all need, and calls with a new token each."""
    rounds, calls = (1, 3) if quick else (9, 30)
    with with_settings():
        from function_app import me  # it reads its settings when it is imported
    starts: list[float] = []
    firsts: list[float] = []
    each: list[float] = []
    for _ in range(rounds):
        before = perf_counter()
        with tempfile.TemporaryDirectory() as folder, emulated(Path(folder)) as (stack, runner):
            starts.append(perf_counter() - before)
            with pytest.MonkeyPatch.context() as patch, one_test(stack, runner, patch) as tenant:
                firsts.append(_seconds(tenant, me, 1))
                each.append(_seconds(tenant, me, calls))
    first = f"the first call of a tenant: {sorted(firsts)[rounds // 2] * 1000:.0f} ms"
    yield compared("test-start", "time", starts)
    yield compared("test-call", "time", each, note=first)


def _seconds(tenant: Tenant, function: object, calls: int) -> float:
    """Of one call. Raises RuntimeError when one does not respond with 200."""
    before = perf_counter()
    for _ in range(calls):
        response = tenant.call(function, as_="alice")
        if response.status != 200:
            raise RuntimeError(f"answered {response!r}")
    return (perf_counter() - before) / calls
