"""`AzureAd__PublicUrls`: the addresses of this API, as its clients write them.

Each address is a resource identifier of RFC 9728, and an identifier URI of the app registration: Entra compares the
two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .environ import LOCAL_HOSTS, EnvironReader

WELL_KNOWN = ".well-known/oauth-protected-resource"  # RFC 9728 §3
_HOST = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_URL = rf"((https?)://(({_HOST})(:[1-9][0-9]{{0,4}})?))((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
_OWN_PORT = {"https": ":443", "http": ":80"}
_MUST = (
    "must be an https:// address as clients write it: the host in lower case, no port 443, no slash at its end, and a "
    "path of letters, digits and - . _ ~ (http:// is for 127.0.0.1 and localhost alone)"
)


class PublicUrl(NamedTuple):
    """One address of this API. It covers its own path and every path below it."""

    url: str
    origin: str
    host: str  # with the port, as in a Host header
    path: str  # "" or /…

    @property
    def metadata(self) -> str:
        """The address of the metadata document (RFC 9728 §3.1)."""
        return f"{self.origin}/{WELL_KNOWN}{self.path}"


def public_urls(env: EnvironReader, setting: str) -> tuple[PublicUrl, ...]:
    """All addresses in a list. Each wrong one is a problem of its own."""
    found: dict[str, PublicUrl] = {}
    for name, word in env.listed(setting):
        match = re.fullmatch(_URL, word)
        if match is None or not _is_as_sent(match[2], match[4], match[5]):
            env.problems.setdefault(name, _MUST)
        elif word in found:
            env.problems.setdefault(name, "is there twice; remove one")
        else:
            found[word] = PublicUrl(word, match[1], match[3], match[6])
    return tuple(found.values())


def _is_as_sent(scheme: str, host: str, port: str | None) -> bool:
    """Whether clients write the address like this: without the scheme's own port, and http:// only for this machine."""
    return port != _OWN_PORT[scheme] and (scheme == "https" or host in LOCAL_HOSTS)


def covering(urls: Sequence[PublicUrl], host: str, path: str) -> PublicUrl | None:
    """The address that a request for this path is about; None if the path is below none of them.

    The host only chooses between addresses that cover the path, and only if it equals one of theirs. So nothing that a
    caller writes gets into a response.
    """
    able = [each for each in urls if path == each.path or path.startswith(f"{each.path}/")]
    return max(able, key=lambda each: (each.host == host.lower(), len(each.path)), default=None)


def at(urls: Sequence[PublicUrl], host: str, path: str) -> PublicUrl | None:
    """The address with exactly this path. The host chooses as for `covering`."""
    able = [each for each in urls if path == each.path]
    return max(able, key=lambda each: each.host == host.lower(), default=None)
