"""Finds the service for a request by the host name it came for, behind the gateway's TLS listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .gateway import Tunnel


class HostRouter:
    """One ASGI application for all host names. A request must come through a tunnel for the very host it names."""

    def __init__(self, services: Mapping[str, ASGIApp], tunnel_of: Callable[[Scope], Tunnel | None]) -> None:
        self._services = services
        self._tunnel_of = tunnel_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request to the service of its host; 421 when host and tunnel do not agree."""
        if scope["type"] != "http":
            return
        named = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower().removesuffix(":443")
        tunnel = self._tunnel_of(scope)
        if tunnel is None or tunnel.host != named or named not in self._services:
            await PlainTextResponse("This connection is for another host.", 421)(scope, receive, send)
            return
        await self._services[named](scope, receive, send)
