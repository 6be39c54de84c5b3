"""A request with a network fault: its response is broken below HTTP, or there is none."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from .fault import Fault
from .pipes import first_of
from .wire import Wire, rendered

NO_HTTP = b"\x00\x15\x00garbage\r\n\r\n"


class Misbehaving:
    """Lets one request suffer. `record` writes it into the audit trail, before the other side notices anything.

    `gone` is the web server's own `receive`: once the body was read, it tells when the caller has gone.
    """

    def __init__(self, app: ASGIApp, fault: Fault, gone: Receive, record: Callable[[int], None]) -> None:
        self._app = app
        self._fault = fault
        self._gone = gone
        self._record = record

    async def hang(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Waits for the caller to go, or for the fault to be switched off: then the request is handled after all."""
        self._record(0)
        await first_of(self._gone(), self._fault.is_off())
        if self._fault.off.done():
            await self._app(scope, receive, send)

    async def respond(self, scope: Scope, receive: Receive, wire: Wire) -> None:
        """Responds as the fault says, and returns when the connection has ended."""
        kind = self._fault.network
        if kind in ("reset-before", "garbage"):
            self._record(0)
            wire.write(NO_HTTP if kind == "garbage" else b"")
        else:
            status, head, body = await rendered(self._app, scope, receive)
            self._record(status)
            await self._send(kind, head, body, wire)
        await (wire.reset() if kind in ("reset", "reset-before") else wire.close())
        while (await self._gone())["type"] != "http.disconnect":  # otherwise the web server would respond too
            pass

    async def _send(self, kind: str | None, head: bytes, body: bytes, wire: Wire) -> None:
        if kind == "drip-headers":
            await wire.drip(head, self._fault.delay)
            wire.write(body)
        elif kind == "drip-body":
            wire.write(head)
            await wire.drip(body, self._fault.delay)
        else:  # without a body there is no middle of it: then the headers do not end
            wire.write(head + body[: len(body) // 2] if body else head[:-2])
