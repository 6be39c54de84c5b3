"""An HTTP request as the real host passes it to the worker."""

from __future__ import annotations

import logging
import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emulators.functions_host.requests import Request
from emulators.functions_host.targets import parameters

if TYPE_CHECKING:
    from azure.functions.meta import Datum

    from emulators.functions_host.model import Invocation
    from emulators.functions_host.router import Route

log = logging.getLogger("Host.Requests")

_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names become one value, joined with a bare comma as in .NET; the last spelling of the name stays."""
    spelling: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        spelling[name.lower()] = name
        values.setdefault(name.lower(), []).append(value)
    return {spelling[name]: ",".join(several) for name, several in values.items()}


def invocation(request: Request, body: bytes, route: Route, values: Mapping[str, str]) -> Invocation:
    """Everything the engine needs to run the function of a route."""
    from emulators.functions_host.model import Invocation

    headers = joined(request.headers)
    known = _TRACE_PARENT.fullmatch(headers.get("traceparent", ""))
    trace, flags = known.groups() if known else (secrets.token_hex(16), "00")
    return Invocation(
        id=str(uuid.uuid4()),
        function=route.function,
        trigger=route.trigger,
        request=_datum(request, headers, body, values),
        trace_parent=f"00-{trace}-{secrets.token_hex(8)}-{flags}",
        trace_state=headers.get("tracestate", "") if known else "",
    )


def _datum(request: Request, headers: Mapping[str, str], body: bytes, values: Mapping[str, str]) -> Datum:
    from azure.functions.meta import Datum

    url = f"http://{headers['host']}{request.url_path}" + (f"?{request.query}" if request.query else "")
    return Datum(
        {
            "method": Datum(request.method, "string"),
            "url": Datum(url, "string"),
            "headers": {name: Datum(value, "string") for name, value in headers.items()},
            "query": {name: Datum(value, "string") for name, value in joined(parameters(request.query)).items()},
            "params": {name: Datum(value, "string") for name, value in values.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


async def body_of(request: Request) -> bytes:
    """The body as the function gets it. Raises BodyRefused or ClientGone.

    The real host passes on only what has a Content-Length: a chunked body arrives empty (azure-functions-host 7930).
    """
    if request.header("transfer-encoding"):
        log.warning("a chunked request body is not passed on to functions, here or in Azure")
        return b""
    return await request.read_body()
