"""The parameter `resource` (RFC 8707): what Entra has refused since March 2026, and what it lets through.

It must equal an identifier URI of the application whose scopes are asked for: AADSTS9010010.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.applications import API, API_ID, CLIENT_ID, GRAPH_URI, MCP_CLIENT_ID
from emulators.stack import Stack
from emulators.table import Table

from .support import (
    AUTHORIZE_URL,
    DEVICE_URL,
    GRAPH_DEFAULT,
    TOKEN_URL,
    Http,
    assert_refused,
    authorize_query,
    decode,
    obo_form,
    redeem_form,
    response_of,
    sign_in_for_code,
)

MCP = "https://func-api.azurewebsites.net/api/mcp"
SCOPE = f"{MCP}/access_as_user"
SAMPLES = f"{API.identifier_uris[0]}/access_as_user"  # the scope that the published samples for Functions advertise
LOOPBACK = "http://localhost:33418/callback"
OURS: dict[str, Any] = {"client_id": MCP_CLIENT_ID, "redirect_uri": LOOPBACK, "scope": SCOPE, "resource": MCP}
REFUSED = (9010010, "invalid_target")


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    """A client of a tenant in which the API is registered with its address."""
    with Stack.start(tmp_path_factory.mktemp("addressed"), table=Table(public_urls=(MCP,))) as stack:
        yield Http(stack, "client")


def asked(http: Http, **changes: str | None) -> dict[str, str]:
    """What a refused authorization request brings back to the client."""
    query = authorize_query(**{**OURS, **changes})
    return response_of(http.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False))


def test_our_configuration_signs_in_and_the_token_is_the_usual_one(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", **OURS, prompt="consent")
    reply = http.post(TOKEN_URL, redeem_form(code, verifier, **{**OURS, "scope": None}))
    claims = decode(reply.json()["access_token"])
    assert (reply.status_code, reply.json()["scope"]) == (200, SCOPE)
    assert (claims["aud"], claims["scp"], claims["azp"]) == (API_ID, "access_as_user", MCP_CLIENT_ID)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"scope": "access_as_user"}, id="a bare scope: one of Graph"),
        pytest.param({"scope": "openid offline_access"}, id="no scope of the API: Graph"),
        pytest.param({"resource": f"{MCP}/"}, id="a slash more"),
        pytest.param({"resource": "https://func-api.azurewebsites.net"}, id="the host alone"),
        pytest.param({"resource": f"{MCP}?a=b"}, id="a query more"),
        pytest.param({"resource": API_ID}, id="the client id of the API"),
        pytest.param({"resource": GRAPH_URI}, id="another application"),
    ],
)
def test_anything_else_is_refused_before_the_sign_in(http: Http, changes: dict[str, str]) -> None:
    reply = asked(http, **changes)
    assert (reply["error"], reply["error_description"][:14]) == ("invalid_target", "AADSTS9010010:")
    assert "code" not in reply


def test_the_published_samples_fail(tmp_path: Path) -> None:
    """Their registration has api:// alone, and their clients send the address of the endpoint, as they must."""
    with Stack.start(tmp_path, table=Table()) as stack:
        http = Http(stack, "client")
        reply = asked(http, scope=SAMPLES)
        assert (reply["error"], reply["error_description"][:14]) == ("invalid_target", "AADSTS9010010:")
        code, verifier = sign_in_for_code(http, "alice", **{**OURS, "scope": SAMPLES, "resource": None})
        form = redeem_form(code, verifier, **{**OURS, "scope": SAMPLES})
        assert_refused(http.post(TOKEN_URL, form), *REFUSED)


def test_the_resource_may_be_named_by_any_identifier_uri_of_the_application(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", **{**OURS, "resource": API.identifier_uris[0]})
    assert http.post(TOKEN_URL, redeem_form(code, verifier, **OURS)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"resource": f"{MCP}/"}, id="a slash more"),
        pytest.param({"scope": None, "resource": "https://other.example/api/mcp"}, id="another address, no scope"),
        pytest.param({"scope": "access_as_user"}, id="a bare scope"),
        pytest.param({"scope": "User.Read"}, id="a scope of Graph"),
    ],
)
def test_a_code_is_not_redeemed_for_another_resource(http: Http, changes: dict[str, str | None]) -> None:
    code, verifier = sign_in_for_code(http, "alice", **OURS)
    assert_refused(http.post(TOKEN_URL, redeem_form(code, verifier, **{**OURS, **changes})), *REFUSED)
    assert http.post(TOKEN_URL, redeem_form(code, verifier, **OURS)).status_code == 200


def test_a_refresh_is_held_to_it(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", **{**OURS, "scope": f"{SCOPE} offline_access"})
    first = http.post(TOKEN_URL, redeem_form(code, verifier, **{**OURS, "scope": None})).json()
    again = {"grant_type": "refresh_token", "client_id": MCP_CLIENT_ID, "refresh_token": first["refresh_token"]}
    elsewhere = {**again, "resource": "https://other.example/api/mcp"}
    good = http.post(TOKEN_URL, {**again, "scope": SCOPE, "resource": MCP})
    assert (good.status_code, decode(good.json()["access_token"])["aud"]) == (200, API_ID)
    assert_refused(http.post(TOKEN_URL, {**elsewhere, "scope": SCOPE}), *REFUSED)
    assert_refused(http.post(TOKEN_URL, {**again, "scope": "mcp.read", "resource": MCP}), *REFUSED)
    assert_refused(http.post(TOKEN_URL, {**again, "scope": "openid", "resource": MCP}), *REFUSED)  # a token for Graph
    without = http.post(TOKEN_URL, {**again, "scope": "mcp.read"})  # what a client gets that forgets the resource
    assert_refused(without, 650053, "invalid_scope")


def test_a_device_and_an_exchange_are_held_to_it(http: Http) -> None:
    device = {"client_id": CLIENT_ID, "scope": SCOPE, "resource": MCP}
    assert_refused(http.post(DEVICE_URL, {**device, "scope": "User.Read"}), *REFUSED)
    assert http.post(DEVICE_URL, device).status_code == 200
    mcp_client = http.post(DEVICE_URL, {**device, "client_id": MCP_CLIENT_ID})
    assert_refused(mcp_client, 7000218, "invalid_client", 401)  # it is public by its redirect URIs alone
    token, api = http.stack.issue_access_token("alice"), Http(http.stack)
    assert_refused(api.post(TOKEN_URL, obo_form(http.stack, token, scope=GRAPH_DEFAULT, resource=MCP)), *REFUSED)
    form = obo_form(http.stack, token, scope=GRAPH_DEFAULT, resource=GRAPH_URI)
    assert api.post(TOKEN_URL, form).status_code == 200


@pytest.mark.parametrize(
    ("redirect_uri", "known"),
    [
        ("http://localhost:1", True),
        ("http://localhost:33418/", True),
        ("http://localhost:61000/callback", True),
        ("http://127.0.0.1:61000", True),
        ("http://127.0.0.1:61000/callback", False),
        ("http://localhost:61000/other", False),
        ("https://localhost:61000", False),
        ("https://claude.ai/api/mcp/auth_callback", False),  # until MCP_REDIRECT_URIS adds it
    ],
)
def test_an_mcp_client_comes_back_to_this_machine_on_any_port_and_nowhere_else(
    http: Http, redirect_uri: str, known: bool
) -> None:
    query = authorize_query(**{**OURS, "redirect_uri": redirect_uri})
    reply = http.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)
    assert (reply.status_code, "AADSTS50011" in reply.text) == ((200, False) if known else (400, True))
