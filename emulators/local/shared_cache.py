"""`--redis URL`: a Redis of the person's own, through which the API shares what it has exchanged."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import SplitResult, urlsplit

from emulators.local.errors import LocalError

_LOCAL = ("127.0.0.1", "localhost", "::1")
_USUAL_PORT = 6379


def cache_settings(url: str | None) -> dict[str, str]:
    """The setting of the API, none without a URL. Raises LocalError unless a Redis on this machine can be reached."""
    if url is None:
        return {}
    host, port = _host_and_port(_checked(url))
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return {"TokenCache__Redis__Url": url}
    raise LocalError(f"nobody listens on port {port} of {host}. Start one there: redis-server --port {port}")


def address(url: str | None) -> str:
    """Where that Redis is, for a person to read: without the user name and the password. Empty without a URL."""
    if url is None:
        return ""
    host, port = _host_and_port(urlsplit(url))
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    return parts.hostname or "", parts.port or _USUAL_PORT


def _checked(url: str) -> SplitResult:
    """As strict as the API, which would not start with a setting it refuses; and nothing leaves this machine."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        database = parts.path.strip("/")
        local = parts.scheme == "redis" and parts.hostname in _LOCAL and parts.port != 0
        plain = not parts.query and not parts.fragment and url.isascii() and " " not in url
        if local and plain and (not database or database.isdigit()):
            return parts
    raise LocalError("--redis takes the address of a Redis on this machine, such as redis://127.0.0.1:6379")
