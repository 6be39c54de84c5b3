"""Checks the path of a downstream request and quotes values into it. No path leads out of the API's base URL.

A function may pass on values of its caller. Then only these checks keep the caller from another resource.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..settings import normalized

MAX_PATH_CHARS = 8 * 1024  # with its query; front ends take no more either
_DECODINGS = 8  # a path that still changes after so many is an attack
_IIS_ESCAPE = re.compile(r"%u[0-9a-f]{4}", re.IGNORECASE)
_SLASHES = re.compile(r"[/\\\u2044\u2215]")  # and two characters that old Windows code pages turn into one
_ENDS = re.compile(r"[;?#]")  # some take a semicolon for a parameter's begin, and a decoded ? or # for the path's end
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_ARGUMENT = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)  # of a function in a path, outside of quotation marks


def checked_path(path: str, values: Mapping[str, str | int] | None = None) -> str:
    """The path, with the values quoted into its placeholders `{name}`.

    Without `values`, a value that the function put into the path itself may still add a query.

    Raises:
        ValueError: the path may lead out of the base URL. Or a value cannot be sent, is missing or has no placeholder.
            The error quotes neither: both may come from a caller.
    """
    if values is None:
        return _below(path, slashes=False)
    route, mark, query = path.partition("?")
    names = _PLACEHOLDER.findall(route)
    if set(names) != set(values) or _PLACEHOLDER.sub("", route).count("{"):
        raise ValueError("path_params must hold one value for each {name} in the path, before its query, and no other")
    _below(_PLACEHOLDER.sub("x", route) + mark + query, slashes=False)
    texts = {name: _text(value) for name, value in values.items()}
    for step in route.split("/"):
        raw = _PLACEHOLDER.sub(lambda match: texts[match[1]], step)
        if raw != step and any(map(_leads_astray, _decoded(raw).split("/"))):
            raise ValueError("a path parameter has a step '.' or '..', a backslash or a control character")
    return _below("/".join(_filled(step, texts) for step in route.split("/")) + mark + query, slashes=True)


def join(base_url: str, path: str) -> str:
    """The address of a checked path below `base_url`. Raises ValueError for one on another host."""
    url = f"{base_url}{path}"
    if urlsplit(url)[:2] != urlsplit(base_url)[:2]:
        raise ValueError("a downstream path cannot change the host")
    return url


def path_of_link(link: str, current_url: str, base_url: str) -> str:
    """The path below `base_url` that a link in the response of `current_url` leads to.

    Raises:
        ValueError: it leads elsewhere.
    """
    if not link.isprintable():  # urllib would drop some of these characters
        raise ValueError("a link has a control character")
    address = normalized(urljoin(current_url, link))
    path = address[len(base_url) :]
    if not address.startswith(base_url) or urlsplit(address)[:2] != urlsplit(base_url)[:2]:
        raise ValueError("a link leads out of the API's base URL")
    return _below(path, slashes=True)


def _below(path: str, *, slashes: bool) -> str:
    """The path itself. `slashes`: whether one of its steps may hold quoted slashes."""
    fits = len(path) <= MAX_PATH_CHARS and path.isprintable() and "#" not in path
    is_below = fits and path.startswith("/") and not path.startswith("//")
    steps = path.partition("?")[0].split("/")
    if slashes and is_below:  # what is too long is not decoded
        steps = [part for step in steps for part in _decoded(step).split("/")]
    if not is_below or any(map(_leads_astray, steps)):
        raise ValueError("a downstream path begins with one slash and has no '..', backslash, '#' or control character")
    return path


def _text(value: str | int) -> str:
    text = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value)
    if not 0 < len(text) <= MAX_PATH_CHARS:
        raise ValueError("a path parameter is a str that is not empty nor longer than a path, or an int")
    return text


def _filled(step: str, texts: Mapping[str, str]) -> str:
    """One step of the path with its values quoted, as OData writes them where it has keys or functions.

    https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html (5.1.1.1.1)
    """

    def fill(match: re.Match[str]) -> str:
        before, value = step[: match.start()], texts[match[1]]
        if before.count("'") % 2:
            value = value.replace("'", "''")  # it would end the text that it stands in, even as %27
        elif before.count("(") > before.count(")") and not _ARGUMENT.fullmatch(value):
            raise ValueError("a path parameter between parentheses needs quotation marks around it: ('{name}')")
        return quote(value, safe="")

    return _PLACEHOLDER.sub(fill, step)


def _decoded(step: str) -> str:
    for _ in range(_DECODINGS):
        decoded = unquote(step)
        if decoded == step:
            return unicodedata.normalize("NFKC", step)  # full-width dots and slashes are dots and slashes to some
        step = decoded
    return "\ufffd"


def _leads_astray(step: str) -> bool:
    """Whether a server that decodes several times could read this step as `..`, or as more than one step."""
    seen = _decoded(step)
    name = _ENDS.split(seen, maxsplit=1)[0].strip()
    undecoded = "\ufffd" in seen or _IIS_ESCAPE.search(seen)  # not UTF-8, so another decoder may read more into it
    return bool(undecoded or name in (".", "..") or _SLASHES.search(seen) or not seen.isprintable())
