"""The interface of this process to the tenant in the other process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from maintainers.benchmarks import ROOT
from maintainers.benchmarks.environment import enter


class Tenant:
    """Asks the tenant's process; see tenant_process.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tokens(self, count: int, padding: int = 0) -> list[str]:
        """Genuine tokens, each of them new, with so many further characters in a claim."""
        found: list[str] = self._ask("tokens", count=count, padding=padding)
        return found

    def graph_token(self) -> str:
        """See tenant_process.Tenant."""
        return str(self._ask("graph_token"))

    def environ(self) -> dict[str, str]:
        """The settings of the API, and the way to the tenant."""
        found: dict[str, str] = self._ask("environ")
        return found

    def pfx(self) -> bytes:
        """The API's certificate with its key."""
        return base64.b64decode(self._ask("pfx"))

    def delays(self, **seconds: float) -> None:
        """See tenant_process.Tenant."""
        self._ask("delays", **seconds)

    def mark(self) -> int:
        """See tenant_process.Tenant."""
        return int(self._ask("mark"))

    def exchanges(self, since: int) -> int:
        """See tenant_process.Tenant."""
        return int(self._ask("exchanges", since=since))

    def _ask(self, what: str, **details: object) -> Any:
        assert self._process.stdin is not None  # noqa: S101 — for mypy
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps({"ask": what, **details}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def tenant() -> Iterator[Tenant]:
    """A tenant from start to stop; this process's environment becomes that of the API."""
    command = [sys.executable, "-m", "maintainers.benchmarks.speed.tenant_process"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        there = Tenant(process)
        enter(there.environ())
        try:
            yield there
        finally:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
            process.wait(30)
