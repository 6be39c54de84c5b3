"""What a function returned, as the reply the real host sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.cookies import Morsel, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from azure.functions.meta import Datum

# The server frames the message; a function's own idea of it would break the connection.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_WITHOUT_BODY = frozenset({204, 205, 304})


@dataclass(frozen=True)
class Reply:
    """Status, headers and body, ready for the wire."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def reply_for(value: Datum | None) -> Reply:
    """The reply for what the SDK made of a returned value. Raises ValueError for what HTTP cannot carry."""
    if value is None:
        return Reply(204)
    if value.type != "http":
        return _text(str(value.value))
    parts = value.value
    status = int(parts["status_code"].value)
    if 100 <= status < 200:
        raise ValueError(f"{status} announces another response: it cannot be a function's")
    headers = [_header(name, datum.value) for name, datum in parts["headers"].items() if name.lower() not in _FRAMING]
    headers += [_header("Set-Cookie", cookie) for cookie in _cookies(parts.get("cookies") or ())]
    body = b"" if status in _WITHOUT_BODY else bytes(parts["body"].value or b"")
    return Reply(status, tuple(headers), body)


def empty(status: int, *headers: tuple[bytes, bytes]) -> Reply:
    """A reply of the host's own. Kestrel gives it a length; what a function returns, it sends in chunks."""
    return Reply(status, (*headers, (b"Content-Length", b"0")))


def _text(text: str) -> Reply:
    return Reply(200, ((b"Content-Type", b"text/plain; charset=utf-8"),), text.encode())


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"the response header {name!r} has a name or a value that HTTP cannot carry")
    return name.encode("ascii"), value.strip().encode("ascii")


def _cookies(cookies: Any) -> Iterator[str]:
    """Every cookie as ASP.NET Core writes it: value escaped, attributes in lower case and in its order."""
    for jar in cookies:
        if not isinstance(jar, SimpleCookie):
            raise TypeError(f"unexpected cookie {type(jar).__name__}")
        for morsel in jar.values():
            yield "; ".join(_cookie(morsel))


def _cookie(morsel: Morsel[str]) -> Iterator[str]:
    yield f"{quote(morsel.key, safe='')}={quote(morsel.value, safe='')}"
    if morsel["expires"]:
        # The worker takes this one form of the date, and fails the invocation on any other.
        datetime.strptime(morsel["expires"], "%a, %d %b %Y %H:%M:%S GMT")
        yield f"expires={morsel['expires']}"
    if morsel["max-age"]:
        yield f"max-age={float(morsel['max-age']):.0f}"
    for attribute in ("domain", "path"):  # the worker passes on an empty one, too, and so it is sent
        yield f"{attribute}={morsel[attribute]}"
    if morsel["secure"]:
        yield "secure"
    if morsel["samesite"]:
        yield f"samesite={morsel['samesite'].lower()}"
    if morsel["httponly"]:
        yield "httponly"
