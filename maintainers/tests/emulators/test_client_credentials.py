"""Entra's client credentials grant: an application gets a token as itself, with its roles and without a scope."""

from __future__ import annotations

import pytest

from emulators.applications import API, API_ID, API_IDENTITY, CLIENT_ID, GRAPH_ID, TOKEN_EXCHANGE_URI
from emulators.graph import GRAPH_HOST
from emulators.people import CONTOSO, people_of
from emulators.registrations import daemon
from emulators.stack import Stack

from .support import GRAPH_DEFAULT, TOKEN_URL, Http, assert_refused, client_assertion, decode, obo_form

DAEMON = daemon("daemon")
USERS = f"https://{GRAPH_HOST}/v1.0/users"
OF_API = f"{API.identifier_uris[0]}/.default"


def form(stack: Stack, **changes: str | None) -> dict[str, str]:
    """A request of the API for a token of its own."""
    usual: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": API_ID,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client_assertion(stack.client_certificate),
        "scope": GRAPH_DEFAULT,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def of_daemon(stack: Stack, scope: str = OF_API, secret: str | None = None) -> dict[str, str]:
    own = stack.daemon_environ("daemon")
    given = {"client_id": own["CLIENT_APP_ID"], "client_secret": secret or own["CLIENT_SECRET"], "scope": scope}
    return form(stack, client_assertion=None, client_assertion_type=None, **given)


def test_an_application_without_a_role_gets_a_token_without_roles(stack: Stack, own: Http) -> None:
    reply = own.post(TOKEN_URL, of_daemon(stack))
    claims = decode(reply.json()["access_token"])
    assert reply.json().keys() == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert (claims["idtyp"], claims["oid"], claims["azp"]) == ("app", claims["sub"], DAEMON.client_id)
    assert (claims["aud"], claims["azpacr"], claims["ver"], claims["tid"]) == (API_ID, "1", "2.0", CONTOSO)
    assert claims.keys().isdisjoint({"roles", "scp", "name", "preferred_username", "amr"})


def test_an_application_gets_exactly_the_roles_that_it_holds(stack: Stack, own: Http) -> None:
    stack.directory.assign_app_role(DAEMON, API, "Jobs.Run")
    stack.directory.assign_role("alice", API, "Jobs.Watch")
    claims = decode(own.post(TOKEN_URL, of_daemon(stack)).json()["access_token"])
    assert claims["roles"] == ["Jobs.Run"]
    stack.directory.withdraw_app_roles(DAEMON, API)
    assert "roles" not in decode(own.post(TOKEN_URL, of_daemon(stack)).json()["access_token"])


def test_where_an_assignment_is_required_an_application_needs_a_role(stack: Stack, own: Http) -> None:
    stack.directory.require_assignment(API, "alice")
    assert_refused(own.post(TOKEN_URL, of_daemon(stack)), 501051, "invalid_grant")
    stack.directory.assign_app_role(DAEMON, API, "Jobs.Run")
    assert own.post(TOKEN_URL, of_daemon(stack)).status_code == 200


def test_a_token_says_what_it_is_only_where_the_registration_asks_for_it(stack: Stack, own: Http) -> None:
    stack.directory.ask_for_claim(API, "idtyp", wanted=False)
    assert "idtyp" not in decode(own.post(TOKEN_URL, of_daemon(stack)).json()["access_token"])


def test_graph_gets_version_1(shared: Stack, http: Http) -> None:
    claims = decode(http.post(TOKEN_URL, form(shared)).json()["access_token"])
    assert (claims["ver"], claims["appid"], claims["appidacr"]) == ("1.0", API_ID, "2")
    assert claims["aud"] == "https://graph.microsoft.com"


@pytest.mark.parametrize(
    "scope", ["User.Read", "https://graph.microsoft.com/User.Read.All", f"{GRAPH_DEFAULT} openid", "openid", "x"]
)
def test_a_scope_without_default_is_refused(scope: str, shared: Stack, http: Http) -> None:
    assert_refused(http.post(TOKEN_URL, form(shared, scope=scope)), 1002012, "invalid_scope", 400)


REFUSALS: dict[str, tuple[dict[str, str | None], int, str, int]] = {
    "no scope": ({"scope": None}, 900144, "invalid_request", 400),
    "a resource that is not there": ({"scope": "api://nothing/.default"}, 500011, "invalid_resource", 400),
    "two resources": ({"scope": f"{GRAPH_DEFAULT} {OF_API}"}, 28000, "invalid_request", 400),
    "a public client": (
        {"client_id": CLIENT_ID, "client_assertion": None, "client_assertion_type": None},
        7000216,
        "invalid_client",
        401,
    ),
    "no credential": ({"client_assertion": None, "client_assertion_type": None}, 7000216, "invalid_client", 401),
    "an application that is not there": ({"client_id": GRAPH_ID[:-4] + "ffff"}, 700016, "unauthorized_client", 400),
}


@pytest.mark.parametrize("row", REFUSALS)
def test_a_request_that_is_refused(row: str, shared: Stack, http: Http) -> None:
    changes, number, error, status = REFUSALS[row]
    assert_refused(http.post(TOKEN_URL, form(shared, **changes)), number, error, status)


def test_a_wrong_secret_is_refused(shared: Stack, http: Http) -> None:
    assert_refused(http.post(TOKEN_URL, of_daemon(shared, secret="wrong")), 7000215, "invalid_client", 401)


def test_a_certificate_that_is_not_registered_is_refused(stack: Stack, own: Http) -> None:
    fresh = stack.rotate_client_certificate(register=False, in_vault=False)
    refused = own.post(TOKEN_URL, form(stack, client_assertion=client_assertion(fresh)))
    assert_refused(refused, 700027, "invalid_client", 401)


def test_a_managed_identity_stands_for_the_application(shared: Stack, http: Http) -> None:
    token = shared.entra.identity_token(TOKEN_EXCHANGE_URI, 3600, API_IDENTITY)
    assert http.post(TOKEN_URL, form(shared, client_assertion=token)).status_code == 200


def test_nothing_is_exchanged_for_an_applications_token(stack: Stack, own: Http) -> None:
    token = own.post(TOKEN_URL, of_daemon(stack)).json()["access_token"]
    assert_refused(own.post(TOKEN_URL, obo_form(stack, token)), 7000114, "invalid_grant")


# Microsoft Graph


def test_graph_lists_users_for_an_application_with_the_role(stack: Stack, own: Http) -> None:
    without = own.get(USERS, stack.issue_app_token(app="graph", client="api", roles=()))
    assert (without.status_code, without.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    reply = own.get(f"{USERS}?$select=displayName", stack.issue_app_token(app="graph", roles=("User.Read.All",)))
    assert [one["displayName"] for one in reply.json()["value"]] == [one.display_name for one in people_of(CONTOSO)]


@pytest.mark.parametrize("path", ["me", "me/messages", "me/drive", "me/memberOf"])
def test_what_is_a_users_is_not_for_applications(path: str, http: Http) -> None:
    token = http.stack.issue_app_token(app="graph", roles=("User.Read", "User.Read.All", "Mail.Read"))
    reply = http.get(f"https://{GRAPH_HOST}/v1.0/{path}", token)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadRequest")
