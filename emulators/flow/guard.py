"""Keeps web pages of other sites from the switches and the stream. A script, which sends no Origin, may use them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..requests_io import json_reply

GUARDED = "/_emulators/"
CLICKS = "/_emulators/flow/"
OPEN = ("/_emulators/consented",)
"""Pages that a browser reaches from elsewhere. They change nothing."""


class OwnPages:
    """ASGI middleware: below /_emulators/ a browser must send this server's own origin (Fetch, section 3.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "http" and scope["path"].startswith(GUARDED) and scope["path"] not in OPEN:
            headers = Headers(scope=scope)
            if not _allowed(scope, headers):
                reply = json_reply({"error": "a web page of another origin may not use this"}, 403)
                await reply(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _allowed(scope: Scope, headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None and scope["path"].startswith(CLICKS) and scope["method"] != "GET":
        return False
    if origin is not None and origin != f"http://{headers.get('host', '')}":
        return False
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
