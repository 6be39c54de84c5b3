"""Builds a request to a downstream API, and checks every part that a function may choose: method, path, headers, body.

A function cannot choose the host, the user or the deadline. But a function may pass on values of its caller. Then only
these checks prevent request smuggling, and a path that leads out of the API's base URL. Values are quoted into a path
here.
"""

from __future__ import annotations

import json as json_text
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, BinaryIO, Generic, NamedTuple, TypedDict, TypeVar, Unpack
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..settings import normalized
from .file_body import FileBody, as_body

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
MAX_PAGES = 100  # unless the function says otherwise
MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024  # unless the function says otherwise
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2
RESERVED = frozenset(
    {"authorization", "client-request-id", "connection", "content-length", "cookie", "expect", "host", "http2-settings",
     "keep-alive", "proxy-authorization", "proxy-connection", "te", "traceparent", "tracestate", "trailer",
     "transfer-encoding", "upgrade", "x-http-method", "x-http-method-override", "x-method-override", "x-original-url",
     "x-rewrite-url"}
)  # fmt: skip
"""Headers of identity, framing and tracing; and those by which servers replace the method or the path of a request."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
MAX_PATH_CHARS = 8 * 1024  # with its query; front ends take no more either
_DECODINGS = 8  # a path that still changes after so many is an attack
_IIS_ESCAPE = re.compile(r"%u[0-9a-f]{4}", re.IGNORECASE)
_SLASHES = re.compile(r"[/\\\u2044\u2215]")  # and two characters that old Windows code pages turn into a slash
_ENDS = re.compile(r"[;?#]")  # where some servers end a step or the path, even after decoding
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_ARGUMENT = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)  # of a function in a path, outside of quotation marks

R = TypeVar("R")


class Request(NamedTuple):
    """One request to a downstream API.

    `path`: below the API's base URL, already checked. It may hold a query.
    `keep_open`: the body of a 2xx response is not read yet.
    """

    method: str
    path: str
    params: Mapping[str, str] | None
    data: bytes | FileBody | None
    headers: Mapping[str, str]
    idempotent: bool
    keep_open: bool = False


class CallOptions(TypedDict, total=False):
    """The named arguments of `request`, for `get`, `post`, `put`, `patch` and `delete`."""

    path_params: Mapping[str, str | int] | None
    params: Mapping[str, str] | None
    json: Any
    data: bytes | BinaryIO | None
    headers: Mapping[str, str] | None
    idempotent: bool | None


class ListOptions(TypedDict, total=False):
    """The named arguments of `request` that a GET of a list or of a file can have."""

    path_params: Mapping[str, str | int] | None
    params: Mapping[str, str] | None
    headers: Mapping[str, str] | None


def checked_request(method: str, path: str, **options: Unpack[CallOptions]) -> Request:
    """A checked request. See `HttpVerbs.request` for `options` and the errors."""
    own, json, data = dict(options.get("headers") or {}), options.get("json"), options.get("data")
    check_method(method)
    check_headers(own)
    body = None if data is None else as_body(data)
    if json is not None:
        body = json_text.dumps(json, allow_nan=False).encode()
        if not any(name.lower() == "content-type" for name in own):
            own["Content-Type"] = "application/json"
    idempotent = options.get("idempotent")
    may_repeat = method in IDEMPOTENT if idempotent is None else idempotent
    below = checked_path(path, options.get("path_params"))
    return Request(method, below, options.get("params"), body, own, may_repeat)


class HttpVerbs(ABC, Generic[R]):
    """`get`, `post` and so on. `CalledApi` returns a response, `AsyncCalledApi` an awaitable one."""

    @abstractmethod
    def send(self, request: Request) -> R: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        path_params: Mapping[str, str | int] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> R:
        """Sends one request with an access token for the user, or for the application. No header of the caller is
        forwarded.

        A call that may be repeated is sent up to three times with each token, and gets at most one new token. All
        attempts together end with the deadline of the request, `AzureAd__RequestTimeoutSeconds`. One attempt ends
        after 15 seconds of silence, or 18 in total. `DownstreamApis__NAME__TimeoutSeconds` replaces the 15. Files get
        more time.

        Args:
            method: GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE.
            path: below the API's base URL. It begins with one slash and may hold a query. `{name}` stands for a value
                in `path_params`.
            path_params: names and values for the path, such as the id of a message. They are quoted: a slash in one
                does not begin a new step. Use it for each value of a caller.
            params: names and values of a query. They are quoted and added to that of the path.
            json: a body to send as JSON.
            data: a body to send as it is: bytes, or a file that is open in binary mode. The file is read while it is
                sent. `json` wins over it.
            headers: further headers. `Authorization`, `Host`, `Cookie` and those of the connection are not allowed, nor
                those by which servers replace the method or the path, such as `X-HTTP-Method-Override`.
            idempotent: whether the call may be repeated. By default GET, HEAD, OPTIONS, PUT and DELETE may be repeated,
                and POST and PATCH may not (RFC 9110 §9.2.2). A file that cannot be rewound is never sent again.

        Returns:
            The 2xx or 304 response of the API. A redirect is not followed. The redirect of a GET or HEAD is returned,
            with its address in the header `Location`.

        Raises:
            ValueError: the method, the path, a value for it, a header or the JSON cannot be sent. Nothing was sent.
            TypeError: `json` holds an object that JSON cannot express, or `data` is no binary file. Nothing was sent.
            ClaimsChallenge: Entra or the API demands more of the user, such as MFA. 401.
            InvalidToken: Entra no longer accepts the user's access token. 401.
            ConsentRequired: consent to the scopes of this API, or of an API that it calls itself, is missing. 403.
            AccessDenied: a policy of Entra or the API refuses this user. 403.
            NotFound: the API responded with 404.
            RequestRejected: the API refused the request itself. Its 4xx is passed on.
            ServerMisconfigured: Entra does not accept this application, or its credential could not be loaded. 500.
            BadGateway: the API failed, or the connection failed. 502.
            ServiceUnavailable: Entra or the API asks to wait. 503 with `Retry-After`.
            GatewayTimeout: the connection or the response took too long. 504.
        """
        options = CallOptions(
            path_params=path_params, params=params, json=json, data=data, headers=headers, idempotent=idempotent
        )
        return self.send(checked_request(method, path, **options))

    def get(self, path: str, **options: Unpack[CallOptions]) -> R:
        """`request("GET", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[CallOptions]) -> R:
        """`request("POST", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[CallOptions]) -> R:
        """`request("PUT", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[CallOptions]) -> R:
        """`request("PATCH", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[CallOptions]) -> R:
        """`request("DELETE", path, ...)`. `options` are the named arguments of `request`."""
        return self.request("DELETE", path, **options)


def check_method(method: str) -> None:
    """Raises ValueError for a method that is not in METHODS."""
    if method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(sorted(METHODS))}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError for a header that cannot be sent or that a function may not set. No value is quoted."""
    for name, value in headers.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError("a header has an invalid name")
        if name.lower().replace("_", "-") in RESERVED:  # CGI and WSGI do not distinguish - and _
            raise ValueError(f"a function may not set these headers: {', '.join(sorted(RESERVED))}")
        if not (isinstance(value, str) and _VALUE.fullmatch(value)):
            raise ValueError("a header has a value that cannot be sent")


def checked_path(path: str, values: Mapping[str, str | int] | None = None) -> str:
    """The path, with the values quoted into its placeholders `{name}`.

    Without `values`, a caller's input that the function wrote into the path can still add a query.

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
        ValueError: the link leads elsewhere.
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
    """One step of the path with its values filled in and quoted. OData's rules count in its keys and arguments.

    https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html (5.1.1.1.1)
    """

    def fill(match: re.Match[str]) -> str:
        before, value = step[: match.start()], texts[match[1]]
        if before.count("'") % 2:
            value = value.replace("'", "''")  # a single quote would end the quoted text, even as %27
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
    if step.isascii() and step.isalnum():  # most steps: nothing in them can be decoded
        return False
    seen = _decoded(step)
    name = _ENDS.split(seen, maxsplit=1)[0].strip()
    undecoded = "\ufffd" in seen or _IIS_ESCAPE.search(seen)  # not UTF-8, so another decoder may read more into it
    return bool(undecoded or name in (".", "..") or _SLASHES.search(seen) or not seen.isprintable())
