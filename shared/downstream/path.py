"""The address of a downstream call: below the API's base URL, whatever the path is made of."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit

MAX_PATH_CHARS = 8 * 1024  # with its query; front ends take no more either
_DECODINGS = 8  # whatever still changes after so many was made to deceive
_IIS_ESCAPE = re.compile(r"%u[0-9a-f]{4}", re.IGNORECASE)
_SLASHES = re.compile(r"[/\\\u2044\u2215]")  # and two characters that old Windows code pages turn into one


def join(base_url: str, path: str) -> str:
    """The address of `path` below `base_url`.

    A value put into the path may still bring its own query: quote what comes from a caller (urllib.parse.quote).

    Raises:
        ValueError: the path is not one that surely stays there. Its text is not repeated: it may come from a caller.
    """
    fits = len(path) <= MAX_PATH_CHARS and path.isprintable() and "#" not in path
    is_below = fits and path.startswith("/") and not path.startswith("//")
    if not is_below or any(map(_leads_astray, path.partition("?")[0].split("/"))):
        raise ValueError("a downstream path begins with one slash and has no '..', backslash, '#' or control character")
    url = f"{base_url}{path}"
    if urlsplit(url)[:2] != urlsplit(base_url)[:2]:
        raise ValueError("a downstream path cannot change the host")
    return url


def _leads_astray(step: str) -> bool:
    """Whether some server, decoding as often as it likes, could take this step for a way up or sideways."""
    for _ in range(_DECODINGS):
        decoded = unquote(step)
        if decoded == step:
            break
        step = decoded
    else:
        return True
    seen = unicodedata.normalize("NFKC", step)  # full-width dots and slashes are dots and slashes to some
    name = seen.partition(";")[0].strip()  # some take what follows a semicolon for a parameter
    undecoded = "\ufffd" in step or _IIS_ESCAPE.search(step)  # not UTF-8, so another decoder may read more into it
    return bool(undecoded or name in (".", "..") or _SLASHES.search(seen) or not step.isprintable())
