"""The wire of the Model Context Protocol: both eras on one address, row by row."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from emulators.stack import Stack
from shared import McpServer, User
from shared.mcp.protocol import MAX_BODY_BYTES, MAX_NESTING
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.clock import RunningClock
from tests.support.lab import Lab

from .mcp_client import CALLED, META, VERSION, McpClient, body_of, modern_headers, modern_message, result_of

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


@pytest.fixture(scope="module")
def endpoint(_tenant: tuple[Stack, RunningClock]) -> Callable[..., Any]:
    """One for all these tests: none of them changes the tenant."""
    stack, clock = _tenant
    tools = McpServer("notes", instructions="Notes of the user.", allowed_origins=["https://app.contoso.com"])

    @tools.tool
    def greet(who: str) -> str:
        """Greets somebody."""
        return f"Hello, {who}"

    @tools.tool
    def who_am_i(user: User) -> object:
        """The name of the user."""
        return {"name": user.name}

    @RequiresUser(LazyServices(stack.environ("api"), now=clock, sleep=clock.forward))()
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    guarded: Callable[..., Any] = mcp
    return guarded


@pytest.fixture
def client(lab: Lab, endpoint: Callable[..., Any]) -> McpClient:
    return McpClient(endpoint, lab.stack.issue_access_token("alice"))


def legacy(method: str, params: Any = None, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, **({"params": params} if params is not None else {})}


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        (None, "2025-11-25"),
        ([], "2025-11-25"),
    ],
)
def test_initialize_agrees_on_a_version_and_starts_no_session(client: McpClient, wanted: Any, given: str) -> None:
    reply = client.ask(legacy("initialize", {"protocolVersion": wanted, "capabilities": {}}))
    assert result_of(reply) == {
        "protocolVersion": given,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "notes", "version": "1.0.0"},
        "instructions": "Notes of the user.",
    }
    assert "mcp-session-id" not in {name.lower() for name in reply.headers}


def test_discover_names_the_versions_and_may_be_kept(client: McpClient) -> None:
    reply = client.ask(modern_message("server/discover"), modern_headers("server/discover"))
    assert result_of(reply) == {
        "resultType": "complete",
        "ttlMs": 300_000,
        "cacheScope": "private",
        "supportedVersions": [VERSION],
        "capabilities": {"tools": {}},
        "instructions": "Notes of the user.",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "notes", "version": "1.0.0"}},
    }


def listed(client: McpClient, modern: bool) -> Any:
    if modern:
        return result_of(client.ask(modern_message("tools/list"), modern_headers("tools/list")))
    return result_of(client.ask(legacy("tools/list"), {"MCP-Protocol-Version": "2025-06-18"}))


@ERAS
def test_the_list_holds_every_tool_and_no_user(client: McpClient, modern: bool) -> None:
    found = listed(client, modern)
    greet, who_am_i = found.pop("tools")
    assert greet == {
        "name": "greet",
        "description": "Greets somebody.",
        "inputSchema": {
            "type": "object",
            "properties": {"who": {"type": "string"}},
            "required": ["who"],
            "additionalProperties": False,
        },
    }
    assert who_am_i["inputSchema"]["properties"] == {}
    more = {"resultType": "complete", "ttlMs": 300_000, "cacheScope": "private"}
    assert found == (more if modern else {})


@ERAS
def test_a_call_gives_text_and_structured_content_for_an_object(client: McpClient, modern: bool) -> None:
    more = {"resultType": "complete"} if modern else {}
    text = result_of(client.call("greet", {"who": "Ann"}, modern=modern))
    assert text == {**more, "content": [{"type": "text", "text": "Hello, Ann"}]}
    whole = result_of(client.call("who_am_i", modern=modern))
    content = [{"type": "text", "text": '{"name":"Alice Ahlberg"}'}]
    assert whole == {**more, "content": content, "structuredContent": {"name": "Alice Ahlberg"}}


def test_ping_is_for_the_legacy_era(client: McpClient) -> None:
    assert result_of(client.ask(legacy("ping"))) == {}
    reply = client.ask(modern_message("ping"), modern_headers("ping"))
    assert (reply.status_code, body_of(reply)["error"]["code"]) == (404, -32601)


@pytest.mark.parametrize("id_", [0, -1, "", "a", "1", 2**70])
def test_the_response_repeats_the_id_as_it_was(client: McpClient, id_: Any) -> None:
    reply = client.ask(legacy("ping", id_=id_))
    assert body_of(reply) == {"jsonrpc": "2.0", "id": id_, "result": {}}


@pytest.mark.parametrize(
    "headers", [{}, {"MCP-Protocol-Version": "2025-06-18"}, {"MCP-Protocol-Version": VERSION}], ids=str
)
@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled", "tools/call"])
def test_a_notification_is_accepted_and_does_nothing(client: McpClient, method: str, headers: dict[str, str]) -> None:
    reply = client.ask({"jsonrpc": "2.0", "method": method, "params": CALLED}, headers)
    assert (reply.status_code, reply.get_body()) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_no_session_to_end(client: McpClient, method: str) -> None:
    reply = client.send(b"", method=method)
    assert (reply.status_code, reply.headers["Allow"], reply.get_body()) == (405, "POST", b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_without_a_token_there_is_nothing_but_a_challenge(client: McpClient, method: str) -> None:
    reply = client.send(json.dumps(legacy("tools/list")).encode(), {"Authorization": ""}, method)
    assert (reply.status_code, body_of(reply)["code"]) == (401, "missing_token")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("https://app.contoso.com", 200),
        ("https://app.contoso.com.evil.example", 403),
        ("http://app.contoso.com", 403),
        ("https://app.contoso.com:444", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_pages_of_allowed_origins_may_call(client: McpClient, origin: str | None, status: int) -> None:
    reply = client.ask(legacy("ping"), {} if origin is None else {"Origin": origin})
    assert reply.status_code == status
    if status == 403:
        assert body_of(reply)["code"] == "forbidden"
        assert "WWW-Authenticate" not in reply.headers


NESTED = '{"jsonrpc":"2.0","id":1,"method":"ping","params":' + '{"a":' * MAX_NESTING + "1" + "}" * MAX_NESTING + "}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, -32700),
        (b"{", 400, -32700),
        (b"\xff", 400, -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', 400, -32700),
        (b"[" * 100_000, 400, -32600),
        (b'{"a":' * 100_000, 400, -32700),
        (b'"ping"', 400, -32700),
        (json.dumps([legacy("ping")]).encode(), 400, -32600),
        (b" \n[]", 400, -32600),
        (b"{}", 400, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":[],"method":"ping"}', 400, -32600),
        (json.dumps(legacy("ping", id_="i" * 201)).encode(), 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', 400, -32600),
        (NESTED.encode(), 400, -32600),
        (json.dumps(legacy("ping", {"a": "a" * MAX_BODY_BYTES})).encode(), 413, -32600),
        (json.dumps(legacy("resources/list")).encode(), 200, -32601),
        (json.dumps(legacy("prompts/get", {"name": "x"})).encode(), 200, -32601),
        (json.dumps(legacy("tools/list", {"cursor": "2"})).encode(), 200, -32602),
        (json.dumps(legacy("tools/call", {"name": "nobody"})).encode(), 200, -32602),
        (json.dumps(legacy("tools/call", {"name": ["greet"]})).encode(), 200, -32602),
        (json.dumps(legacy("tools/call", {})).encode(), 200, -32602),
        (json.dumps(legacy("tools/call")).encode(), 200, -32602),
    ],
    ids=lambda given: given[:40].decode("latin-1") if isinstance(given, bytes) else str(given),
)
def test_what_is_wrong_with_a_legacy_request(client: McpClient, body: bytes, status: int, code: int) -> None:
    reply = client.send(body)
    error = body_of(reply)
    assert (reply.status_code, reply.mimetype, error["error"]["code"]) == (status, "application/json", code)
    assert error["id"] == (1 if status == 200 else None)
    assert "nobody" not in error["error"]["message"]


def test_as_deep_and_as_long_as_allowed_is_allowed(client: McpClient) -> None:
    fits = NESTED.replace('{"a":', "", 1).replace("}", "", 1)
    assert result_of(client.send(fits.encode())) == {}
    many = legacy("ping", {"many": [{} for _ in range(1_000)]})
    assert result_of(client.ask(many)) == {}
    room = MAX_BODY_BYTES - len(json.dumps(legacy("ping", {"a": ""})))
    assert result_of(client.ask(legacy("ping", {"a": "a" * room}))) == {}


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


CALL, LIST = modern_message("tools/call", CALLED), modern_message("tools/list")
FOR_CALL = modern_headers("tools/call", "greet")


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        (CALL, modern_headers("tools/call", encoded("greet")), 200, None),
        (CALL, {name: f" {value}\t" for name, value in FOR_CALL.items()}, 200, None),
        (CALL, modern_headers("tools/call", "who_am_i"), 400, -32020),
        (CALL, modern_headers("tools/call"), 400, -32020),
        (CALL, modern_headers("tools/call", encoded("who_am_i")), 400, -32020),
        (CALL, modern_headers("tools/call", "=?base64?Z3JlZXR=?="), 400, -32020),
        (CALL, modern_headers("tools/call", "=?base64?%%%?="), 400, -32020),
        (CALL, modern_headers("tools/call", "greet, greet"), 400, -32020),
        (CALL, modern_headers("tools/list", "greet"), 400, -32020),
        (CALL, {**FOR_CALL, "Mcp-Method": "tools/call, tools/call"}, 400, -32020),
        (CALL, modern_headers("tools/call", "greet", Mcp_Method=None), 400, -32020),
        (CALL, modern_headers("tools/call", "greet", MCP_Protocol_Version=None), 400, -32020),
        (CALL, modern_headers("tools/call", "greet", MCP_Protocol_Version="2025-11-25"), 400, -32020),
        (modern_message("tools/call", CALLED, **{VERSION_KEY: "2025-11-25"}), FOR_CALL, 400, -32020),
        (modern_message("tools/call", CALLED, **{VERSION_KEY: None}), FOR_CALL, 400, -32020),
        (modern_message("tools/call", CALLED, **{CAPABILITIES: []}), FOR_CALL, 400, -32602),
        (modern_message("tools/call", {"name": "nobody"}), modern_headers("tools/call", "nobody"), 400, -32602),
        (modern_message("tools/call", {}), modern_headers("tools/call"), 400, -32602),
        (modern_message("tools/call", {"name": []}), modern_headers("tools/call", "[]"), 400, -32020),
        (modern_message("tools/list", {"cursor": "2"}), modern_headers("tools/list"), 400, -32602),
        (modern_message("initialize"), modern_headers("initialize"), 404, -32601),
        (modern_message("resources/list"), modern_headers("resources/list"), 404, -32601),
        (legacy("tools/list"), modern_headers("tools/list"), 400, -32602),
        (legacy("tools/list", {"_meta": {CAPABILITIES: {}}}), modern_headers("tools/list"), 400, -32602),
        (legacy("tools/list", {"_meta": {VERSION_KEY: VERSION}}), modern_headers("tools/list"), 400, -32602),
        (legacy("server/discover"), {}, 400, -32602),
        (legacy("tools/list"), {"MCP-Protocol-Version": "2024-11-05"}, 400, -32022),
        (legacy("tools/list"), {"MCP-Protocol-Version": "2099-01-01"}, 400, -32022),
        (legacy("tools/list"), {"MCP-Protocol-Version": ""}, 400, -32022),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_modern_request(
    client: McpClient, message: Any, headers: dict[str, str], status: int, code: int | None
) -> None:
    reply = client.ask(message, headers)
    body = body_of(reply)
    assert (reply.status_code, reply.mimetype, body["id"]) == (status, "application/json", 1)
    assert body.get("error", {}).get("code") == code


@pytest.mark.parametrize("version", ["2099-01-01", "2025-11-24"])
def test_a_version_that_is_not_supported_is_told_which_are(client: McpClient, version: str) -> None:
    headers = modern_headers("tools/list", MCP_Protocol_Version=version)
    reply = client.ask(modern_message("tools/list", **{VERSION_KEY: version}), headers)
    assert reply.status_code == 400
    error = body_of(reply)["error"]
    assert (error["code"], error["data"]) == (-32022, {"supported": [VERSION], "requested": version})


def test_a_notification_of_an_unknown_version_is_refused(client: McpClient) -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    reply = client.ask(message, {"MCP-Protocol-Version": "2099-01-01"})
    assert (reply.status_code, body_of(reply)["error"]["code"], body_of(reply)["id"]) == (400, -32022, None)


def test_a_modern_request_may_say_more_about_itself(client: McpClient) -> None:
    more = {"io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "1"}, "progressToken": 7}
    message = modern_message("tools/call", CALLED, **more)
    assert "isError" not in result_of(client.ask(message, FOR_CALL))
    assert META.keys().isdisjoint(more)
