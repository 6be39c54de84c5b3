"""The target of a request as Kestrel reads it: decoded once, dot segments resolved; and its path for `req.url`.

Source: aspnetcore, Kestrel's UrlDecoder, PathNormalizer and Http1Connection, and PathString.ToUriComponent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_URL_SAFE = "/!$&'()*+,;=:@-._~"


class BadTarget(Exception):  # noqa: N818 - named for what the client sent
    """The target is none that Kestrel takes: 400."""


def split_target(method: str, target: str, host: str) -> tuple[str, str]:
    """Decoded path and raw query of a request line's target. Raises BadTarget."""
    if "://" in target.partition("?")[0] and not target.startswith("/"):
        target = _origin_form(target, host)
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        if (method, target) == ("OPTIONS", "*") or method == "CONNECT":
            return "", ""
        raise BadTarget(target)
    return without_dots(decoded(path)), query


def _origin_form(target: str, host: str) -> str:
    """The part of an absolute URI behind its host, which must be the one of the Host header (RFC 9112 §3.2.2)."""
    parts = urlsplit(target)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or host not in (parts.netloc, f"{parts.netloc}:{default}"):
        raise BadTarget(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def decoded(path: str) -> str:
    """The path with its escapes decoded, but for `%2F`, which must not become a separator. Raises BadTarget for NUL."""
    text = unescaped(path, but="/")
    if "\0" in text:
        raise BadTarget(path)
    return text


def parameters(query: str) -> Iterator[tuple[str, str]]:
    """Name and value of every query parameter that has a value: the host leaves the others out."""
    for pair in query.split("&"):
        name, _, value = pair.replace("+", " ").partition("=")
        if value:
            yield unescaped(name), unescaped(value)


def unescaped(text: str, but: str = "") -> str:
    """Escapes that are UTF-8 are decoded, but for one character. What is no UTF-8, such as `%FF`, stays."""
    return _ESCAPES.sub(lambda run: _unescaped_run(run[0], but), text)


def _unescaped_run(escapes: str, but: str) -> str:
    raw, text, at = bytes.fromhex(escapes.replace("%", "")), "", 0
    while at < len(raw):
        length, character = _character(raw[at : at + 4])
        text += escapes[3 * at : 3 * at + 3] if character in ("", but) else character
        at += length
    return text


def _character(raw: bytes) -> tuple[int, str]:
    """The length and the text of the first UTF-8 character; one byte and no text where there is none."""
    for length in range(1, len(raw) + 1):
        try:
            return length, raw[:length].decode()
        except UnicodeDecodeError:
            continue
    return 1, ""


def without_dots(path: str) -> str:
    """`.` and `..` segments resolved (RFC 3986 §5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        if segment not in (".", ".."):
            kept.append(segment)
            continue
        if segment == ".." and kept:
            kept.pop()
        if number == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def as_url_path(path: str) -> str:
    """A decoded path for a URL: what looks like an escape stays one, so that `%252F` has become `%2F`."""
    text, end = "", 0
    for escape in _ESCAPE.finditer(path):
        text += quote(path[end : escape.start()], safe=_URL_SAFE) + escape[0]
        end = escape.end()
    return text + quote(path[end:], safe=_URL_SAFE)
