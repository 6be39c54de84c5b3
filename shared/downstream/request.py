"""A request to a downstream API as the user: what a function may choose of it, and the checks of each part.

Not where it goes, whose it is, or where it ends: a function may pass on what a caller has sent. Then only these checks
stand between the caller and request smuggling, or a path that leads out of the API's base URL.
"""

from __future__ import annotations

import json as json_text
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import unquote, urlsplit

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2
RESERVED = frozenset(
    {"authorization", "client-request-id", "connection", "content-length", "cookie", "expect", "host", "http2-settings",
     "keep-alive", "proxy-authorization", "proxy-connection", "te", "traceparent", "tracestate", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


MAX_PATH_CHARS = 8 * 1024  # with its query; front ends take no more either
_DECODINGS = 8  # a path that still changes after so many was made to deceive
_IIS_ESCAPE = re.compile(r"%u[0-9a-f]{4}", re.IGNORECASE)
_SLASHES = re.compile(r"[/\\\u2044\u2215]")  # and two characters that old Windows code pages turn into one


R = TypeVar("R")


@dataclass(frozen=True)
class Request:
    """One request to a downstream API; `path` is below its base URL, begins with one slash and may hold a query."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = False


class HttpVerbs(ABC, Generic[R]):
    """The calls of a downstream API. `DownstreamApi` returns the response, `AsyncDownstreamApi` has it awaited."""

    @abstractmethod
    def send(self, request: Request) -> R: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> R:
        """Sends one request with an access token for the user. No header of the caller is forwarded.

        A call that may be repeated is sent three times at most. All attempts together end with the deadline of the
        request, `AzureAd__RequestTimeoutSeconds`. One attempt waits 15 seconds at most for each part of the response.

        Args:
            method: GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE.
            path: below the API's base URL. It begins with one slash and may hold a query. Quote a value of the caller
                with `urllib.parse.quote(value, safe="")`.
            params: names and values of a query. They are quoted and added to that of the path.
            json: a body to send as JSON.
            data: a body to send as it is. `json` wins over it.
            headers: further headers. `Authorization`, `Host`, `Cookie` and those of the connection are not allowed.
            idempotent: whether the call may be repeated. By default GET, HEAD, OPTIONS, PUT and DELETE may be repeated,
                and POST and PATCH may not (RFC 9110 §9.2.2).

        Returns:
            The 2xx or 304 response of the API. Redirects are not followed.

        Raises:
            ValueError: the method, the path, a header or the JSON cannot be sent. Nothing was sent.
            TypeError: `json` holds an object that JSON cannot express. Nothing was sent.
            ClaimsChallenge: Entra or the API demands more of the user, such as MFA. 401.
            InvalidToken: Entra no longer accepts the user's access token. 401.
            ConsentRequired: consent to the scopes of this API is missing. 403.
            AccessDenied: a policy of Entra or the API refuses this user. 403.
            NotFound: the API responded with 404.
            RequestRejected: the API refused the request itself. Its 4xx is passed on.
            ServerMisconfigured: Entra does not accept this application, or its credential could not be loaded. 500.
            BadGateway: the API failed, or could not be reached. 502.
            ServiceUnavailable: Entra or the API asks to wait. 503 with `Retry-After`.
            GatewayTimeout: no response before the deadline. 504.
        """
        own = dict(headers or {})
        check_method(method)
        check_headers(own)
        if json is not None:
            data, own = json_text.dumps(json, allow_nan=False).encode(), {"Content-Type": "application/json", **own}
        may_repeat = method in IDEMPOTENT if idempotent is None else idempotent
        return self.send(Request(method, path, params, data, own, may_repeat))

    def get(self, path: str, **options: Any) -> R:
        """`request("GET", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> R:
        """`request("POST", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> R:
        """`request("PUT", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> R:
        """`request("PATCH", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> R:
        """`request("DELETE", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("DELETE", path, **options)


def check_method(method: str) -> None:
    """Raises ValueError for a method that is not sent with a user's token."""
    if method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(sorted(METHODS))}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError for a header that cannot be sent, or that a function may not set. Its value is not repeated."""
    for name, value in headers.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError("a header's name is not one")
        if name.lower() in RESERVED:
            raise ValueError(f"a call as the user sets these headers itself: {', '.join(sorted(RESERVED))}")
        if not (isinstance(value, str) and _VALUE.fullmatch(value)):
            raise ValueError("a header's value cannot be sent")


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
