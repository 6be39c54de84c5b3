"""One switch: what goes wrong with which requests, and whether that makes sense."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

TARGETS = frozenset(
    {"entra.discovery", "entra.keys", "entra.token", "identity", "vault", "graph", "orders"},
)
"""Everything that can be made to fail."""

NETWORK: Mapping[str, str] = {
    "refused": "connection refused",
    "tls": "certificate of an unknown authority",
    "silent": "a connection without a word",
    "reset-before": "reset before the answer",
    "reset": "reset in mid-answer",
    "hang": "never answered",
    "drip-headers": "headers byte by byte",
    "drip-body": "body byte by byte",
    "garbage": "an answer that is no HTTP",
}
"""What can go wrong below HTTP, and how the audit trail calls it."""

ON_CONNECT = frozenset({"refused", "tls", "silent"})
"""These hit a connection before it carries a request: of a whole host, whatever the path, whoever it is about."""

DRIPS = frozenset({"drip-headers", "drip-body"})
"""With these, the delay is that between two bytes."""

_WITH_A_REPLY = DRIPS | {"reset"}
_WITHOUT_A_DELAY = ON_CONNECT | {"hang"}


@dataclass(eq=False)
class Fault:
    """One switch. Without `status` the request is handled as usual, if it is handled. `left` None means for ever.

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
    off: Future[None] = field(default_factory=Future, repr=False)
    """Done when the fault is switched off: whoever it keeps waiting may go on."""

    def describe(self) -> str:
        """One short sentence for the audit trail."""
        parts = [f"status {self.status}"] if self.status is not None else []
        parts += [NETWORK[self.network]] if self.network is not None else []
        parts += [f"delayed {self.delay:g} s"] if self.delay else []
        return "fault: " + (", ".join(parts) or "none") + (f" for {self.person}" if self.person else "")

    async def is_off(self) -> None:
        """Waits for the moment when the fault is switched off, in whichever thread that happens."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, and who waited with it
                loop.call_soon_threadsafe(event.set)

        self.off.add_done_callback(tell)
        await event.wait()

    def check(self) -> None:
        """Raises ValueError for a target that does not exist and for a fault that would do nothing, or not this."""
        if self.target not in TARGETS:
            raise ValueError(f"No fault target {self.target!r}; there are {', '.join(sorted(TARGETS))}")
        if self.status is None and self.network is None and not self.delay:
            raise ValueError("A fault needs a status, a delay, or a kind of network failure")
        if self.status is None and (self.headers or self.body is not None):
            raise ValueError("headers and a body need a status to go with")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"{self.status} is not the status of a reply")
        if isinstance(self.delay, bool) or not math.isfinite(self.delay) or self.delay < 0:
            raise ValueError("delay is a number of seconds")
        if self.left is not None and (not isinstance(self.left, int) or self.left < 1):
            raise ValueError("times is a whole number, one or more")
        if not all(isinstance(text, str) for pair in self.headers.items() for text in pair):
            raise ValueError("headers are texts with names")
        if self.network is not None:
            self._check_network(self.network)

    def _check_network(self, kind: str) -> None:
        if kind not in NETWORK:
            raise ValueError(f"No network failure {kind!r}; there are {', '.join(NETWORK)}")
        if kind in ("tls", "silent") and self.target == "identity":
            raise ValueError(f"{kind!r} happens before TLS stands, which the managed-identity endpoint does not speak")
        if self.status is not None and kind not in _WITH_A_REPLY:
            raise ValueError(f"{kind!r} leaves no room for a status: nothing is answered")
        if self.delay and kind in _WITHOUT_A_DELAY:
            raise ValueError(f"{kind!r} takes no delay")
        if self.person is not None and kind in ON_CONNECT:
            raise ValueError(f"{kind!r} hits a connection, which cannot be told by the person")
