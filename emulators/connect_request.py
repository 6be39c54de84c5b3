"""Reads a CONNECT request: its target and its client."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection

CALLERS = frozenset({"api", "client", "browser", "script", "doctor"})
"""The proxy user names that are known, in addition to the APIs of the table."""


class GatewayError(Exception):
    """The proxy refuses the request with this status."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def parse_connect(head: bytes, callers: Collection[str]) -> tuple[str, str | None]:
    """Target and caller of a CONNECT request; the caller is the user name of the proxy's URL, None when there is none.

    Some clients (.NET, curl, Java) send it only after they were asked for it.
    """
    request_line, *fields = head.decode("latin-1").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise GatewayError("400 Bad Request", "not an HTTP request")
    if parts[0] != "CONNECT":
        raise GatewayError("405 Method Not Allowed", "this proxy only tunnels (CONNECT)")
    headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    authorization = headers.get("proxy-authorization")
    return parts[1], None if authorization is None else _caller(authorization, callers)


def _caller(authorization: str, callers: Collection[str]) -> str:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name = base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return "?"
    return name if scheme.lower() == "basic" and name in callers else "?"
