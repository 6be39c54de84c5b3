"""One fault: what goes wrong with which requests. fault_check.py says whether it makes sense."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

SERVICES = frozenset({"entra.discovery", "entra.keys", "entra.token", "identity", "vault", "graph", "downloads"})
"""What can be made to fail, in addition to the APIs of the table, each by its short name."""

NETWORK: Mapping[str, str] = {
    "refused": "connection refused",
    "tls": "certificate of an unknown authority",
    "silent": "a connection without a word",
    "reset-before": "reset before the response",
    "reset": "reset in mid-response",
    "hang": "no response",
    "drip-headers": "headers byte by byte",
    "drip-body": "body byte by byte",
    "garbage": "bytes that are not HTTP",
}
"""What can go wrong below HTTP, and how the audit trail calls it."""

ON_CONNECT = frozenset({"refused", "tls", "silent"})
"""These hit a connection before it has a request. So they affect a whole host, for every path and person."""

DRIPS = frozenset({"drip-headers", "drip-body"})
"""With these, the delay is that between two bytes."""


@dataclass(eq=False)
class Fault:
    """One switch. Without `status` the request is handled as usual, if it is handled. `left` None means forever.

    `delay`, in seconds, comes before the reply; with a drip, before each byte.
    """

    target: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0.0
    left: int | None = None
    person: str | None = None
    network: str | None = None
    without: Sequence[str] | None = None
    """Key ids that the key set leaves out, as some of Entra's servers do during a rollover."""
    every: int = 1
    """Hits the first of every so many requests: with 2, every other one."""
    seen: int = field(default=0, repr=False)
    off: Future[None] = field(default_factory=Future, repr=False)
    """Done when the fault is switched off. Requests that it delays may then go on."""

    def describe(self) -> str:
        """One short sentence for the audit trail."""
        parts = [f"status {self.status}"] if self.status is not None else []
        parts += [NETWORK[self.network]] if self.network is not None else []
        parts += [f"delayed {self.delay:g} s"] if self.delay else []
        parts += [f"without key {', '.join(self.without)}"] if self.without else []
        return "fault: " + (", ".join(parts) or "none") + (f" for {self.person}" if self.person else "")

    async def is_off(self) -> None:
        """Waits for the moment when the fault is switched off, in whichever thread that happens."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, and so has the task that waited
                loop.call_soon_threadsafe(event.set)

        self.off.add_done_callback(tell)
        await event.wait()


_SCOPE = "emulators.fault"


def put_into(scope: MutableMapping[str, Any], fault: Fault) -> None:
    """Lets the service that handles a request know the fault that the request must suffer."""
    scope[_SCOPE] = fault


def fault_of(scope: MutableMapping[str, Any]) -> Fault | None:
    """The fault that a request must suffer."""
    fault: Fault | None = scope.get(_SCOPE)
    return fault
