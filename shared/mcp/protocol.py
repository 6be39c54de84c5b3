"""JSON-RPC 2.0 over HTTP, in the two eras of the Model Context Protocol, on one address and without a session.

    legacy   2025-03-26, 2025-06-18, 2025-11-25: `initialize` first; the header MCP-Protocol-Version may be absent
    modern   2026-07-28: each request has its version and capabilities in `params._meta`, and headers repeat the body

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import azure.functions as func

from ..net import parse_object

LEGACY = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
MAX_BODY_BYTES = 1024 * 1024  # of one request
MAX_NESTING = 64  # objects and arrays inside each other
LIST_SECONDS = 300  # how long a client may use a list of the tools
MAX_ID_CHARS = 200  # of the id of a request, which the response repeats

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

_META = "io.modelcontextprotocol/"
_VERSION_KEY, _CAPABILITIES_KEY = f"{_META}protocolVersion", f"{_META}clientCapabilities"
SERVER_INFO_KEY = f"{_META}serverInfo"
_VERSION, _METHOD, _NAME = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}  # what Mcp-Name repeats
_MODERN_STATUS = {METHOD_NOT_FOUND: 404}  # any other error of the modern era: 400
_COMPLETE = '"resultType":"complete"'
_CACHEABLE = f',"ttlMs":{LIST_SECONDS * 1000},"cacheScope":"private"'

Id = str | int


class Message(NamedTuple):
    """A request or notification. `id` is None for a notification."""

    method: str
    params: dict[str, Any]
    id: Id | None
    is_modern: bool

    def reply(self, result: str, *, may_be_kept: bool = False) -> func.HttpResponse:
        """The response with this result, a JSON object as text. `may_be_kept`: for `LIST_SECONDS`, by the client."""
        if self.is_modern:
            more = _COMPLETE + (_CACHEABLE if may_be_kept else "")
            result = f"{{{more}{',' if result != '{}' else ''}{result[1:]}"
        id_ = self.id if isinstance(self.id, int) else json.dumps(self.id)
        return _json_reply(200, f'{{"jsonrpc":"2.0","id":{id_},"result":{result}}}')

    def refused(self, code: int, text: str, data: Mapping[str, Any] | None = None) -> Refusal:
        """An error for this request. The legacy era sends it with 200, the modern one with a status of its own."""
        status = _MODERN_STATUS.get(code, 400) if self.is_modern else 200
        return Refusal(status, code, text, self.id, data)


class Refusal(Exception):  # noqa: N818 — not a failure of the server
    """A JSON-RPC error and its HTTP status. Only the id and the version of the caller's message are repeated."""

    def __init__(
        self, status: int, code: int, text: str, id_: Id | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self._status = status
        error = {"code": code, "message": text, **({"data": data} if data else {})}
        self._body = {"jsonrpc": "2.0", "id": id_, "error": error}

    def reply(self) -> func.HttpResponse:
        """The HTTP response."""
        return _json_reply(self._status, json.dumps(self._body))


def read_message(request: func.HttpRequest) -> Message:
    """The one message of a POST. Raises Refusal."""
    body = request.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise Refusal(413, INVALID_REQUEST, f"The body has more than {MAX_BODY_BYTES} bytes.")
    message = _message(_parsed(body), request.headers)
    if message.is_modern:
        _check_modern(message, request.headers)
    return message


def _parsed(body: bytes) -> dict[str, Any]:
    if body.lstrip(b" \t\r\n").startswith(b"["):
        raise Refusal(400, INVALID_REQUEST, "Batches are not supported. Send each message in a request of its own.")
    try:
        parsed = parse_object(body)
    except ValueError:
        raise Refusal(400, PARSE_ERROR, "The body must be one JSON object, without duplicate members.") from None
    if body.count(b"[") + body.count(b"{") > MAX_NESTING and _nesting(parsed) > MAX_NESTING:
        raise Refusal(400, INVALID_REQUEST, f"The body is nested more than {MAX_NESTING} levels deep.")
    return parsed


def _nesting(value: Any) -> int:
    level, depth = [value], 0
    while level := [part for part in level if isinstance(part, (dict, list))]:
        depth += 1
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    return depth


def _message(body: dict[str, Any], headers: Mapping[str, str]) -> Message:
    method, params, id_ = body.get("method"), body.get("params", {}), body.get("id")
    is_request = "id" in body
    is_id = type(id_) is int or (isinstance(id_, str) and len(id_) <= MAX_ID_CHARS)
    is_right = body.get("jsonrpc") == "2.0" and isinstance(params, dict) and (is_id or not is_request)
    if not isinstance(method, str) or not is_right:
        raise Refusal(
            400,
            INVALID_REQUEST,
            'The body must be one JSON-RPC request or notification: "jsonrpc", "method", "params".',
        )
    meta = params.get("_meta")
    named = isinstance(meta, dict) and _VERSION_KEY in meta
    version = _value(headers, _VERSION)
    is_modern = named or method == "server/discover" or (version is not None and version not in LEGACY)
    return Message(method, params, id_ if is_request else None, is_modern)


def _check_modern(message: Message, headers: Mapping[str, str]) -> None:
    """Checks the version, and that headers and body agree. Of a notification, only the header's version is checked."""
    version = _value(headers, _VERSION)
    if message.id is None:
        _check_version(message, version)
        return
    meta = message.params.get("_meta")
    missing = [key for key in (_VERSION_KEY, _CAPABILITIES_KEY) if not isinstance(meta, dict) or key not in meta]
    if version is not None and len(missing) == 2:
        _check_version(message, version)  # an unknown version, of which no more is known
    if missing:
        raise message.refused(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    said = {_VERSION: message.params["_meta"][_VERSION_KEY], _METHOD: message.method}
    given = {_VERSION: version, _METHOD: _value(headers, _METHOD)}
    name = message.params.get(_NAMED_BY.get(message.method, ""))
    if name is not None:
        said[_NAME], given[_NAME] = name, _decoded(_value(headers, _NAME))
    for header, value in given.items():
        if value is None or value != said[header]:
            raise message.refused(HEADER_MISMATCH, f"The header {header} does not say what the body says.")
    _check_version(message, version)
    if not isinstance(message.params["_meta"][_CAPABILITIES_KEY], dict):
        raise message.refused(INVALID_PARAMS, f"{_CAPABILITIES_KEY} must be an object.")


def _check_version(message: Message, version: str | None) -> None:
    if version not in MODERN:
        data = {"supported": list(MODERN), "requested": version}
        raise message.refused(UNSUPPORTED_VERSION, "This version of the protocol is not supported.", data)


def _value(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value without the spaces around it, which are no part of it (RFC 9110 §5.5)."""
    return headers[name].strip(" \t") if name in headers else None


def _decoded(header: str | None) -> str | None:
    """A header's value. `=?base64?…?=` holds what a header cannot. None for a value that is not well formed."""
    if header is None or not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    payload = header[len("=?base64?") : -len("?=")]
    try:
        decoded = base64.b64decode(payload, validate=True)
        return decoded.decode() if base64.b64encode(decoded).decode() == payload else None
    except ValueError:
        return None


def _json_reply(status: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(text, status_code=status, mimetype="application/json")
