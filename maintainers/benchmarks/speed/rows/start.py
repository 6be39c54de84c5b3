"""The first response of a process: from its start, and after it has been ready for a while."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from maintainers.benchmarks import ROOT

from ..result import Result, compared
from ..tenant import Tenant, tenant
from .requests import APPS

_ENTRA, _VAULT, _GRAPH = 0.080, 0.040, 0.060
_WAITS = 3 * _ENTRA + _GRAPH
"""In a new process one after the other: metadata, keys, exchange, Graph. The vault can be asked meanwhile.

A process that stood ready has fetched the keys before the request, so it can be below this floor.
"""
_READY_SECONDS = 3.0
_OPTIONS = ("--port", "0", "--stop-with-stdin")


def measure(quick: bool) -> Iterator[Result]:
    """The local host with the app and with the hello app in turns. Entra and Graph respond with a delay."""
    rounds = 1 if quick else 7
    taken: dict[str, list[float]] = {name: [] for name in ("cold", "warm", "hello", "hello warm", "second")}
    with tenant() as there:
        there.delays(entra_discovery=_ENTRA, entra_keys=_ENTRA, entra_token=_ENTRA, vault=_VAULT, graph=_GRAPH)
        for _ in range(rounds):
            _take(taken, there, 0.2 if quick else _READY_SECONDS)
    slow = f"Entra {_ENTRA * 1000:.0f} ms, vault {_VAULT * 1000:.0f} ms, Graph {_GRAPH * 1000:.0f} ms"
    second = f"{sorted(taken['second'])[rounds // 2] * 1000:.0f} ms"
    floor = [seconds + _WAITS for seconds in taken["hello"]]
    yield compared("cold", "time", taken["cold"], taken["hello"], floor, f"{slow}; the second user's first: {second}")
    yield compared("warm", "time", taken["warm"], taken["hello warm"], [_WAITS] * rounds, slow)


def _take(taken: dict[str, list[float]], there: Tenant, ready_seconds: float) -> None:
    token, other = there.tokens(2)
    with host(ROOT, "function_app.py") as (started, url):
        _get(url, "/api/me", token)
        taken["cold"].append(time.perf_counter() - started)
        taken["second"].append(_get(url, "/api/me", other))
    with host(APPS, "hello_app.py") as (started, url):
        _get(url, "/api/hello")
        taken["hello"].append(time.perf_counter() - started)
        taken["hello warm"].append(_get(url, "/api/hello"))
    with host(ROOT, "function_app.py") as (_, url):
        time.sleep(ready_seconds)
        taken["warm"].append(_get(url, "/api/me", token))


@contextmanager
def host(root: Path, script: str) -> Iterator[tuple[float, str]]:
    """When the process was started, and where it listens."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "emulators.functions_host", *_OPTIONS, "--root", str(root)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHON_SCRIPT_FILE_NAME": script},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 — for mypy
        assert process.stdout is not None  # noqa: S101
        try:
            yield started, process.stdout.readline().split()[1]
        finally:
            process.stdin.close()
            process.wait(30)


def _get(url: str, path: str, token: str = "") -> float:
    """Seconds until the response has arrived. Raises RuntimeError when it is not 200."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return time.perf_counter() - started
