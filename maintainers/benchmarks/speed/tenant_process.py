"""The emulated tenant in a process of its own, so that its work is not counted: requests are lines of JSON on stdin."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulators.local import interrupts
from emulators.stack import Stack

_GROUPS = [f"5f3c1a9e-7b2d-4e60-9c1f-0000000000{number:02}" for number in range(8)]
"""With them a token has the size that Entra's have in a company: 2 KB, of which 1.1 KB are claims."""


class Tenant:
    """What a measurement may ask of the tenant; each public method is a request."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def environ(self) -> dict[str, str]:
        """Of the API's process."""
        return self._stack.environ("api")

    def tokens(self, count: int, padding: int = 0) -> list[str]:
        """Genuine tokens for the API; no two are the same. `padding`: so many further characters in a claim."""
        more: dict[str, Any] = {"padding": "x" * padding} if padding else {}
        return [self._stack.issue_access_token("alice", lifetime=86400, groups=_GROUPS, **more) for _ in range(count)]

    def graph_token(self) -> str:
        """A genuine token for Graph, as an exchange would bring it."""
        return self._stack.issue_access_token("alice", app="graph", lifetime=86400)

    def pfx(self) -> str:
        """The API's certificate with its key, in base64."""
        return base64.b64encode(self._stack.client_certificate.pfx()).decode()

    def delays(self, **seconds: float) -> None:
        """From now on these targets respond later. `_` stands for a dot. Without any: at once."""
        self._stack.faults.clear()
        for target, delay in seconds.items():
            self._stack.faults.add(target.replace("_", "."), delay=delay)

    def mark(self) -> int:
        """A point in time for `exchanges`."""
        return self._stack.audit.mark()

    def exchanges(self, since: int) -> int:
        """Requests to the token endpoint since then."""
        return sum(entry.path.endswith("/oauth2/v2.0/token") for entry in self._stack.audit.entries(since))


def main() -> None:
    """Responds until stdin ends."""
    with tempfile.TemporaryDirectory() as folder, Stack.start(Path(folder)) as stack:
        tenant = Tenant(stack)
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            print(json.dumps(getattr(tenant, request.pop("ask"))(**request)), flush=True)


if __name__ == "__main__":
    interrupts.all_as_keyboard_interrupt()
    main()
