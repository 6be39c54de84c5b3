"""POST /$batch: up to 20 requests in one, each with a response of its own.

https://learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from .graph_routes import GraphError
from .requests_io import json_object

MAX_PARTS = 20
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Part:
    """One request of a batch."""

    id: str
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    depends_on: tuple[str, ...] = ()


def parts_of(body: bytes) -> list[Part]:
    """The requests of a batch, in their order. Raises GraphError when the batch as a whole is wrong."""
    try:
        given = json_object(body).get("requests")
    except ValueError:
        raise _bad("Invalid JSON in the batch.") from None
    if not isinstance(given, list) or not given:
        raise _bad("The batch must contain at least one request.")
    if len(given) > MAX_PARTS:
        message = f"Number of batch request steps exceeds the maximum value of {MAX_PARTS}."
        raise GraphError(400, "MaximumValueExceeded", message)
    parts: list[Part] = []
    for one in given:
        part = _part(one)
        known = {earlier.id for earlier in parts}
        if part.id in known:
            raise _bad("Request ids in a batch must be unique.")
        if not known.issuperset(part.depends_on):
            raise _bad("dependsOn must name requests that come before.")
        parts.append(part)
    return parts


def _part(given: Any) -> Part:
    if not isinstance(given, dict):
        raise _bad("A request of the batch is not an object.")
    identifier, method, url = (given.get(name) for name in ("id", "method", "url"))
    headers, after = given.get("headers") or {}, given.get("dependsOn") or []
    if not isinstance(identifier, str) or not identifier:
        raise _bad("A request of the batch has no id.")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise _bad(f"The method of request {identifier[:20]} is missing or unknown.")
    if not isinstance(url, str) or not url or "://" in url or not url.isascii() or " " in url:
        raise _bad(f"The url of request {identifier[:20]} must be relative.")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise _bad(f"The headers of request {identifier[:20]} must be texts.")
    if not isinstance(after, list) or not all(isinstance(one, str) for one in after):
        raise _bad(f"dependsOn of request {identifier[:20]} must be a list of ids.")
    lowered = {name.lower(): value for name, value in headers.items()}
    return Part(identifier, method.upper(), url, lowered, _body(identifier, given, lowered), tuple(after))


def _body(identifier: str, given: dict[str, Any], headers: dict[str, str]) -> bytes:
    """JSON for a JSON content type, base64 for every other one."""
    if "body" not in given:
        return b""
    kind = headers.get("content-type", "")
    if not kind:
        raise _bad(f"Request {identifier[:20]} has a body and no header Content-Type.")
    if kind.startswith("application/json"):
        return json.dumps(given["body"]).encode()
    try:
        return base64.b64decode(given["body"], validate=True)
    except (TypeError, ValueError):
        raise _bad(f"The body of request {identifier[:20]} must be base64.") from None


async def run(parts: list[Part], send: Callable[[Part], Awaitable[Response]]) -> list[dict[str, object]]:
    """The responses. A part whose predecessor failed is not sent: 424."""
    statuses: dict[str, int] = {}
    replies: list[dict[str, object]] = []
    for part in parts:
        if any(statuses[one] >= 400 for one in part.depends_on):
            error = {"code": "FailedDependency", "message": "Request did not execute due to a failed dependency."}
            reply: dict[str, object] = {"status": 424, "headers": {}, "body": {"error": error}}
        else:
            reply = described(await send(part))
        statuses[part.id] = int(str(reply["status"]))
        replies.append({"id": part.id, **reply})
    return replies


def described(reply: Response) -> dict[str, object]:
    """A response as a part of a batch says it: a body in JSON as it is, every other one in base64."""
    hidden = ("content-length", "connection", "pragma")
    headers = {name.title(): value for name, value in reply.headers.items() if name not in hidden}
    part: dict[str, object] = {"status": reply.status_code, "headers": headers}
    body = bytes(reply.body)
    if body and "json" in headers.get("Content-Type", ""):
        part["body"] = json.loads(body)
    elif body:
        part["body"] = base64.b64encode(body).decode()
    return part


def _bad(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
