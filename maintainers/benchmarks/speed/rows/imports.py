"""The import of the app, which the host waits for, in a fresh interpreter each time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from maintainers.benchmarks import ROOT

from ..result import Result, compared
from ..tenant import tenant
from .requests import APPS

_PROGRAM = """
import os, sys, time
{before}
started = time.perf_counter()
import {module}
print(time.perf_counter() - started, flush=True)
os._exit(0)
"""


def measure(quick: bool) -> Iterator[Result]:
    """With the settings of the API, but nobody to ask: an import that asked somebody would show."""
    rounds = 3 if quick else 15
    with tenant() as there:
        environ = {**os.environ, **there.environ()}
    taken: dict[str, list[float]] = {"function_app": [], "hello_app": []}
    loaded: list[float] = []
    for number in range(rounds):
        for module in ("function_app", "hello_app") if number % 2 else ("hello_app", "function_app"):
            taken[module].append(_seconds(module, environ))
        loaded.append(_seconds("function_app", environ, "import azure.functions"))
    note = f"where azure.functions is loaded already, ours takes {sorted(loaded)[rounds // 2] * 1000:.0f} ms"
    yield compared("import", "time", taken["function_app"], taken["hello_app"], note=note)


def _seconds(module: str, environ: dict[str, str], before: str = "") -> float:
    folder = ROOT if module == "function_app" else APPS
    said = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(module=module, before=before)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return float(said.stdout)
