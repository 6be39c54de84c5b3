"""docs/mcp.md: its tools run against the emulated tenant, and its table of types and refusals is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maintainers.tests.functions_host.calls import call
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.shared.mcp_client import McpClient, body_of, error_of, result_of
from tests.support.lab import Lab, finish_background_work
from tests.support.live import Live

PAGE = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the page defines."""
    decorator = RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))
    monkeypatch.setattr("shared.requires_user", decorator)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n\n".join(BLOCK.findall(PAGE)), "docs/mcp.md", "exec"), names)  # noqa: S102 — the page is ours
    yield names
    finish_background_work()


def client(page: dict[str, Any], endpoint: str, lab: Lab, *scopes: str) -> McpClient:
    token = lab.stack.issue_access_token("alice", scopes=["access_as_user", *scopes])
    return McpClient(page[endpoint].build().get_user_function(), token)


def test_the_tools_of_the_page_work(page: dict[str, Any], lab: Lab) -> None:
    able = client(page, "mcp", lab, "Orders.Place")
    assert result_of(able.call("my_profile"))["structuredContent"]["mail"] == "alice@contoso.example"
    placed = result_of(able.call("place_order", {"item": "tea"}))["structuredContent"]
    assert placed == {"item": "tea", "quantity": 1, "by": "Alice Ahlberg"}


def test_the_scope_of_a_tool_is_asked_for(page: dict[str, Any], lab: Lab) -> None:
    reply = client(page, "mcp", lab).call("place_order", {"item": "tea"})
    assert (reply.status_code, body_of(reply)["scopes"]) == (403, ["Orders.Place"])


def test_the_async_tool_of_the_page_asks_graph(page: dict[str, Any], lab: Lab) -> None:
    lab.stack.faults.add("graph", status=404)  # these tests have no permission for mail
    assert error_of(client(page, "mail_mcp", lab).call("newest_mail", {"count": 2}))["code"] == "not_found"


def test_the_endpoint_of_the_example_over_http(live: Live) -> None:
    """Status and headers as the Functions host sends them."""
    token = live.stack.issue_access_token("alice")
    url, known = f"{live.api}/api/mcp", [("Authorization", f"Bearer {token}")]
    for method in ("GET", "DELETE"):
        assert call(url, method).status == 401
        reply = call(url, method, known)
        assert (reply.status, reply.headers["Allow"], reply.body) == (405, "POST", b"")
    reply = call(url, "POST", known, b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert (reply.status, reply.body) == (202, b"")
    reply = call(url, "POST", known, b'{"jsonrpc":"2.0","id":0,"method":"tools/list"}')
    assert (reply.status, reply.headers["Content-Type"], reply.json["id"]) == (200, "application/json", 0)
    assert reply.json["result"]["tools"]
    assert "Mcp-Session-Id" not in reply.headers
    reply = call(url, "POST", known, b"[]")
    assert (reply.status, reply.json["error"]["code"]) == (400, -32600)
    reply = call(url, "POST", [*known, ("Origin", "https://evil.example")], b"{}")
    assert (reply.status, reply.headers["Content-Type"]) == (403, "application/problem+json")
    reply = call(url, "POST", [*known, ("Mcp-Method", "tools/list"), ("MCP-Protocol-Version", "2099-01-01")], b"{}")
    assert reply.status == 400
    twice = [("MCP-Protocol-Version", "2025-11-25"), ("MCP-Protocol-Version", "2025-06-18")]
    reply = call(url, "POST", [*known, *twice], b'{"jsonrpc":"2.0","id":0,"method":"tools/list"}')
    assert reply.status == 400
