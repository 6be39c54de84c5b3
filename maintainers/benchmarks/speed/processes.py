"""Processes that share only Redis, or nothing, and ask for the same token at the same moment.

`python -m benchmarks.speed.processes KIND` is one of them: it reads its task from stdin, says "ready", waits for the
word.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from uuid import uuid4

from maintainers.benchmarks import ROOT


def ask_at_once(kind: str, count: int, bearer: str, redis_url: str = "", pfx: bytes = b"") -> None:
    """All are ready before the first may begin. Raises RuntimeError when one of them gets no token."""
    task = {"bearer": bearer, "redis": redis_url, "pfx": base64.b64encode(pfx).decode()}
    with ExitStack() as exits:
        fleet = [
            exits.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "maintainers.benchmarks.speed.processes", kind],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    encoding="utf-8",
                )
            )
            for _ in range(count)
        ]
        for process in fleet:
            _say(process, json.dumps(task))
        if any(_hear(process) != "ready" for process in fleet):
            raise RuntimeError(f"a process of {kind} was not ready")
        for process in fleet:
            _say(process, "go")
        if any(_hear(process) != "done" for process in fleet):
            raise RuntimeError(f"a process of {kind} got no token")


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None  # noqa: S101 — for mypy
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 — for mypy
    return process.stdout.readline().strip()


def _template(task: Mapping[str, str]) -> Callable[[], object]:
    from shared.services import Services
    from shared.settings.settings import Settings

    own = {"TokenCache__Redis__Url": task["redis"]} if task["redis"] else {}
    services, bearer = Services(Settings.from_environ({**os.environ, **own})), task["bearer"]
    session = services.sessions.open(bearer)
    services.entra.of(services.settings.authority)._clients.get()
    scopes = services.settings.downstream_apis["graph"].scopes
    return lambda: services.sessions.token_for(session, bearer, scopes, correlation_id=str(uuid4()))


def _msal(task: Mapping[str, str]) -> Callable[[], object]:
    from .msal_peer import MsalPeer

    peer = MsalPeer(base64.b64decode(task["pfx"]))
    return lambda: peer.exchange(task["bearer"])


def main(kind: str) -> None:
    """One process of the fleet."""
    call = {"template": _template, "msal": _msal}[kind](json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    sys.stdin.readline()
    call()
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
