"""An HTTP request as the real host passes it to the worker."""

from __future__ import annotations

import logging
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from azure.functions.meta import Datum

    from emulators.functions_host.model import Invocation
    from emulators.functions_host.router import Route

MAX_BODY = 100 * 1024 * 1024  # FUNCTIONS_REQUEST_BODY_SIZE_LIMIT's default

log = logging.getLogger("Host.Requests")

_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


class DisconnectedError(Exception):
    """The client went away before its request was complete: no function runs, nobody is there to be answered."""


def decoded_path(scope: Mapping[str, Any]) -> str:
    """The path that routes are matched with: decoded, but for `%2F`, which must not become a separator."""
    return unquote(re.sub(r"%2f", "%252F", raw_path(scope), flags=re.IGNORECASE))


def raw_path(scope: Mapping[str, Any]) -> str:
    """The path as it was sent, without the query."""
    sent = scope.get("raw_path")  # optional in ASGI
    return quote(scope["path"]) if sent is None else bytes(sent).decode("ascii").partition("?")[0]


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names become one value, joined with a bare comma as in .NET; the first spelling of the name stays."""
    spelling: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def invocation(scope: Mapping[str, Any], body: bytes, route: Route, parameters: Mapping[str, str]) -> Invocation:
    """Everything the engine needs to run the function of a route."""
    from emulators.functions_host.model import Invocation

    headers = joined((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    known = _TRACE_PARENT.fullmatch(headers.get("traceparent", ""))
    trace, flags = known.groups() if known else (secrets.token_hex(16), "00")
    return Invocation(
        id=str(uuid.uuid4()),
        function=route.function,
        trigger=route.trigger,
        request=_datum(scope, headers, body, parameters),
        trace_parent=f"00-{trace}-{secrets.token_hex(8)}-{flags}",
        trace_state=headers.get("tracestate", "") if known else "",
    )


def _datum(scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes, parameters: Mapping[str, str]) -> Datum:
    from azure.functions.meta import Datum

    query = bytes(scope["query_string"]).decode("latin-1")
    host = headers.get("host") or "{}:{}".format(*scope["server"])
    # The real host leaves out query parameters without a value.
    values = joined(parse_qsl(query, keep_blank_values=False))
    return Datum(
        {
            "method": Datum(scope["method"], "string"),
            "url": Datum(f"{scope['scheme']}://{host}{raw_path(scope)}{'?' + query if query else ''}", "string"),
            "headers": {name: Datum(value, "string") for name, value in headers.items()},
            "query": {name: Datum(value, "string") for name, value in values.items()},
            "params": {name: Datum(value, "string") for name, value in parameters.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


async def read_body(scope: Mapping[str, Any], receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> bytes | None:
    """The body, or None if it is larger than Functions takes. Raises DisconnectedError.

    The real host passes on only what has a Content-Length: a chunked body arrives empty (azure-functions-host 7930).
    """
    length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
    if length is None:
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            log.warning("a chunked request body is not passed on to functions, here or in Azure")
        return b""
    if int(length) > MAX_BODY:
        return None
    chunks, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)
