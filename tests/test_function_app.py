"""The functions of function_app.py: a function, a person, and what comes back. docs/test.md explains `tenant`."""

from __future__ import annotations

from typing import Any

import function_app
from tests.support.tenant import Tenant


def test_me_shows_the_profile_of_the_user(tenant: Tenant) -> None:
    tenant.responds("Graph", "GET /me", {"displayName": "Alice Ahlberg"})

    response = tenant.call(function_app.me, as_="alice")

    assert response.status == 200
    assert response.json() == {"displayName": "Alice Ahlberg"}
    assert tenant.requests("Graph")[0].user == "alice"


def test_me_is_for_signed_in_users_alone(tenant: Tenant) -> None:
    response = tenant.call(function_app.me, as_=None)

    assert response.status == 401
    assert response.json()["code"] == "missing_token"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert tenant.requests("Graph") == []


def test_me_needs_the_scope_of_the_api(tenant: Tenant) -> None:
    response = tenant.call(function_app.me, as_="alice", scopes=["another.scope"])

    assert response.status == 403
    assert response.json()["code"] == "insufficient_scope"
    assert 'scope="access_as_user"' in response.headers["WWW-Authenticate"]


def test_me_passes_on_that_a_second_factor_is_needed(tenant: Tenant) -> None:
    tenant.requires_mfa("Graph")

    response = tenant.call(function_app.me, as_="alice")

    assert response.status == 401
    assert response.json()["code"] == "insufficient_claims"
    assert 'error="insufficient_claims", claims="' in response.headers["WWW-Authenticate"]
    assert tenant.call(function_app.me, as_="alice", mfa=True).status == 200


def tool_call(name: str, **arguments: Any) -> dict[str, Any]:
    """What an MCP client sends to call a tool."""
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_my_profile_is_a_tool_for_agents(tenant: Tenant) -> None:
    tenant.responds("Graph", "GET /me", {"displayName": "Alice Ahlberg"})

    response = tenant.call(function_app.mcp, as_="alice", json=tool_call("my_profile"))

    assert response.status == 200
    assert response.json()["result"]["structuredContent"] == {"displayName": "Alice Ahlberg"}
    assert tenant.requests("Graph")[0].user == "alice"


def test_tools_are_for_signed_in_users_alone(tenant: Tenant) -> None:
    response = tenant.call(function_app.mcp, as_=None, json=tool_call("my_profile"))

    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert tenant.requests("Graph") == []


# <orders>
def test_place_order_is_a_tool_for_agents(tenant: Tenant) -> None:
    tenant.responds("Orders", "POST /orders", {"id": 2}, status=201)

    response = tenant.call(function_app.mcp, as_="olga", json=tool_call("place_order", item="tea"))

    assert response.json()["result"]["structuredContent"] == {"id": 2}
    assert tenant.requests("Orders")[0].json() == {"item": "tea", "quantity": 1}


def test_list_orders_passes_on_what_the_user_may_see(tenant: Tenant) -> None:
    tenant.responds("Orders", "GET /orders", [{"id": 1, "item": "tea"}])

    response = tenant.call(function_app.list_orders, as_="alice")

    assert response.status == 200
    assert response.json() == [{"id": 1, "item": "tea"}]
    (request,) = tenant.requests("Orders")
    assert (request.user, request.scopes) == ("alice", ("Orders.Read", "Orders.Write"))


def test_add_order_hands_the_order_on(tenant: Tenant) -> None:
    tenant.responds("Orders", "POST /orders", {"id": 2}, status=201)

    response = tenant.call(function_app.add_order, as_="olga", json={"item": "tea", "quantity": 2})

    assert response.status == 201
    assert response.json() == {"id": 2}
    assert tenant.requests("Orders")[0].json() == {"item": "tea", "quantity": 2}


# </orders>
def test_health(tenant: Tenant) -> None:
    assert tenant.call(function_app.check_health, as_=None).json() == {"status": "healthy"}
