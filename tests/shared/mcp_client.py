"""Messages of an MCP client, in both eras of the protocol, to an endpoint in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import azure.functions as func

VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
CALLED = {"name": "greet", "arguments": {"who": "Ann"}}

Endpoint = Callable[..., Any]


class McpClient:
    """Sends single messages, as a client with this token."""

    def __init__(self, endpoint: Endpoint, token: str, url: str = "http://localhost/api/mcp") -> None:
        self._endpoint, self._token, self._url = endpoint, token, url

    def send(self, body: bytes, headers: Mapping[str, str] | None = None, method: str = "POST") -> func.HttpResponse:
        """The response to these bytes."""
        own = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        given = func.HttpRequest(method, self._url, headers={**own, **(headers or {})}, params={}, body=body)
        result = self._endpoint(req=given)
        reply = asyncio.run(_awaited(result)) if isinstance(result, Awaitable) else result
        assert isinstance(reply, func.HttpResponse)
        return reply

    def ask(self, message: Any, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
        """The response to this message."""
        return self.send(json.dumps(message).encode(), headers)

    def call(self, tool: str, arguments: Any = None, *, modern: bool = False) -> func.HttpResponse:
        """The response to `tools/call`."""
        given: dict[str, Any] = {"name": tool, "arguments": {} if arguments is None else arguments}
        if modern:
            return self.ask(modern_message("tools/call", given), modern_headers("tools/call", tool))
        return self.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given})


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def modern_message(method: str, params: Any = None, **meta: Any) -> dict[str, Any]:
    """A request of 2026-07-28. `meta` changes what `_meta` holds."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": {**META, **meta}}}


def modern_headers(method: str, name: str | None = None, **changes: str | None) -> dict[str, str]:
    """The headers that repeat the body. A change to None leaves one out."""
    named = {"Mcp-Name": name} if name is not None else {}
    every: dict[str, str | None] = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method, **named}
    every.update({header.replace("_", "-"): value for header, value in changes.items()})
    return {header: value for header, value in every.items() if value is not None}


def body_of(reply: func.HttpResponse) -> Any:
    """The body, read as JSON."""
    return json.loads(reply.get_body())


def result_of(reply: func.HttpResponse) -> Any:
    """The result in the body. There must be one."""
    assert (reply.status_code, reply.mimetype) == (200, "application/json")
    return body_of(reply)["result"]


def error_of(reply: func.HttpResponse) -> Any:
    """The error of a tool, read from its text."""
    result = result_of(reply)
    assert result["isError"] is True
    assert "structuredContent" not in result
    return json.loads(result["content"][0]["text"])
