"""Which web pages may call the app from a browser: as Core Tools do with `Host.CORS`, and Azure with its CORS setting.

The host responds to a preflight, so no function sees it. The rules are those of ASP.NET Core's CORS middleware
(https://learn.microsoft.com/aspnet/core/security/cors) with exact origins, every header and every method. Credentials
(cookies) are not allowed, because an access token is in a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from emulators.functions_host.replies import Reply
from emulators.functions_host.requests import Request


def checked_origin(text: str) -> str:
    """`text` as browsers send an origin: scheme, host and port, in lower case. Raises ValueError for anything else."""
    parts = urlsplit(text.lower())
    whole = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "*" in parts.netloc:
        raise ValueError(f"{text!r} is no origin of a web page, such as https://localhost:5173")
    if text.lower() != whole:
        raise ValueError(f"{text!r} is more than an origin: {whole} is one")
    _ = parts.port  # raises for a port that is no number
    return whole


@dataclass(frozen=True)
class Cors:
    """The origins that may call; with none of them, CORS is off."""

    origins: tuple[str, ...] = ()

    def preflight(self, request: Request) -> Reply | None:
        """The reply to a browser that asks before it calls; None for every other request, or when CORS is off.

        Always 204: an origin that is not allowed gets no header, and its browser then does not call.
        """
        method = request.header("access-control-request-method")
        if not self.origins or request.method != "OPTIONS" or not request.header("origin") or not method:
            return None
        asked = [("Access-Control-Allow-Methods", method)]
        if names := request.header("access-control-request-headers"):
            asked.append(("Access-Control-Allow-Headers", names))
        allowed = asked if self._allows(request) else []
        return Reply(204, (*_encoded(allowed), *self._own(request)))

    def added_to(self, reply: Reply, request: Request) -> Reply:
        """The reply to a call, with the header by which its browser shows it to the page."""
        return Reply(reply.status, (*reply.headers, *self._own(request)), reply.body)

    def _allows(self, request: Request) -> bool:
        return request.header("origin") in self.origins

    def _own(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        if not self._allows(request):
            return ()
        headers = [("Access-Control-Allow-Origin", request.header("origin"))]
        if len(self.origins) > 1:
            headers.append(("Vary", "Origin"))
        return _encoded(headers)


def _encoded(headers: list[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode("ascii"), value.encode("utf-8")) for name, value in headers)
