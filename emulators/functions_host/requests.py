"""A request as the HTTP server hands it to the host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from emulators.functions_host.targets import as_url_path


class BodyRefused(Exception):  # noqa: N818 - named for what has happened
    """The body is too large or too slow: 500, without running the function."""


class ClientGone(Exception):  # noqa: N818 - named for what has happened
    """The client left before its request was complete: no function runs, and there is no response."""


async def no_body() -> bytes:
    """The body of a request that has none."""
    return b""


@dataclass(frozen=True)
class Request:
    """Path decoded, query as it was sent; header names in lower case, repeated ones still apart."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    read_body: Callable[[], Awaitable[bytes]] = no_body

    @property
    def url_path(self) -> str:
        """The path as it stands in `req.url`."""
        return as_url_path(self.path)

    def header(self, name: str) -> str:
        """The first header of that name, "" when there is none."""
        return next((value for known, value in self.headers if known == name), "")
