"""Graph's view of registrations, service principals and grants: for members, by the permissions of the token."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests

from emulators.applications import API, API_ID, AZURE_CLI_ID, CLIENT_ID, GRAPH_ID, MCP_CLIENT_ID
from emulators.directory import EVERYBODY, ISSUER
from emulators.entra.azure_cli import azure_cli_token
from emulators.people import EVERYONE, PEOPLE

from .support import Http

V1 = "https://graph.microsoft.com/v1.0"
APP = f"{V1}/applications(appId='{API_ID}')"
PRINCIPAL = f"{V1}/servicePrincipals(appId='{API_ID}')"
GRANTS = f"{V1}/oauth2PermissionGrants?$filter=clientId eq '{API.object_id}'"


def get(http: Http, url: str, person: str = "alice") -> requests.Response:
    token = azure_cli_token(http.stack.entra, EVERYONE[person], "https://graph.microsoft.com/.default")
    return http.get(url, token)


def body(http: Http, url: str) -> Any:
    reply = get(http, url)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_registration(http: Http) -> None:
    found = body(http, APP)
    api = found["api"]
    assert (found["appId"], found["signInAudience"]) == (API_ID, "AzureADMyOrg")
    assert found["identifierUris"] == list(API.identifier_uris)
    assert (api["requestedAccessTokenVersion"], api["knownClientApplications"]) == (2, [CLIENT_ID, MCP_CLIENT_ID])
    (scope,) = api["oauth2PermissionScopes"]
    assert (scope["value"], scope["isEnabled"], scope["type"]) == ("access_as_user", True, "User")
    assert {one["appId"]: one["delegatedPermissionIds"] for one in api["preAuthorizedApplications"]} == {
        CLIENT_ID: [scope["id"]],
        MCP_CLIENT_ID: [scope["id"]],
        AZURE_CLI_ID: [scope["id"]],
    }
    access = {one["resourceAppId"]: one["resourceAccess"] for one in found["requiredResourceAccess"]}
    assert access[GRAPH_ID] == [{"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope"}]
    claims = {one["name"]: one for one in found["optionalClaims"]["accessToken"]}
    assert claims["idtyp"]["additionalProperties"] == ["include_user_token"]


def test_the_certificate_itself_is_shown_only_if_it_is_selected(http: Http) -> None:
    assert [one["key"] for one in body(http, APP)["keyCredentials"]] == [None]
    selected = body(http, f"{APP}?$select=appId,keyCredentials")
    assert set(selected) == {"@odata.context", "appId", "keyCredentials"}
    (key,) = selected["keyCredentials"]
    der = base64.b64decode(key["key"])
    assert der == http.stack.client_certificate.der
    assert base64.b64decode(key["customKeyIdentifier"]) == hashlib.sha1(der, usedforsecurity=False).digest()


def test_federated_credentials(http: Http) -> None:
    (found,) = body(http, f"{APP}/federatedIdentityCredentials")["value"]
    assert (found["issuer"], found["audiences"]) == (ISSUER, ["api://AzureADTokenExchange"])


def test_a_service_principal_by_client_id_and_by_name(http: Http) -> None:
    found = {name: value for name, value in body(http, PRINCIPAL).items() if name != "@odata.context"}
    assert (found["accountEnabled"], found["appRoleAssignmentRequired"]) == (True, False)
    by_name = f"{V1}/servicePrincipals?$filter=servicePrincipalNames/any(n:n eq '{API.identifier_uris[0]}')"
    assert body(http, by_name)["value"] == [found]
    assert body(http, by_name.replace("obo-api", "nobody"))["value"] == []


def test_assignments_of_people_and_of_applications(own: Http) -> None:
    directory = own.stack.directory
    api = directory.change("api", app_roles=("Jobs.Run",))
    directory.require_assignment(api, "alice")
    directory.assign_app_role(directory.applications["daemon daemon"], api, "Jobs.Run")
    found = {one["principalId"]: one for one in body(own, f"{PRINCIPAL}/appRoleAssignedTo")["value"]}
    assert found[PEOPLE["alice"].oid]["appRoleId"] == "00000000-0000-0000-0000-000000000000"
    daemon = found[directory.applications["daemon daemon"].object_id]
    (role,) = body(own, PRINCIPAL)["appRoles"]
    assert (daemon["appRoleId"], daemon["principalType"]) == (role["id"], "ServicePrincipal")
    assert body(own, PRINCIPAL)["appRoleAssignmentRequired"] is True
    held = body(
        own, f"{V1}/servicePrincipals(appId='{directory.applications['daemon daemon'].client_id}')/appRoleAssignments"
    )
    assert [one["appRoleId"] for one in held["value"]] == [role["id"]]


def test_grants_in_pages_that_keep_the_filter(own: Http) -> None:
    own.stack.directory.grant(EVERYBODY, API, own.stack.directory.applications["graph"], ("User.Read",))
    url, found = f"{GRANTS}&$top=3", []
    while url:
        page = body(own, url)
        found += page["value"]
        assert len(page["value"]) <= 3
        url = page.get("@odata.nextLink", "")
    assert {one["clientId"] for one in found} == {API.object_id}
    (everybody,) = [one for one in found if one["consentType"] == "AllPrincipals"]
    assert (everybody["principalId"], everybody["scope"]) == (None, "User.Read")
    mine = [one for one in found if one["principalId"] == PEOPLE["alice"].oid]
    assert {scope for one in mine for scope in one["scope"].split()} == {"User.Read", "Orders.Read", "Orders.Write"}


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        (f"{V1}/applications(appId='{PEOPLE['alice'].oid}')", 404, "Request_ResourceNotFound"),
        (f"{V1}/applications(appId='{GRAPH_ID}')", 404, "Request_ResourceNotFound"),
        (f"{APP}?$select=nonsense", 400, "BadRequest"),
        (f"{APP}?$expand=owners", 400, "BadRequest"),
        (f"{V1}/servicePrincipals?$filter=startswith(displayName,'a')", 400, "Request_UnsupportedQuery"),
        (f"{V1}/servicePrincipals", 400, "Request_UnsupportedQuery"),
        (f"{V1}/oauth2PermissionGrants?$filter=scope eq 'User.Read'", 400, "Request_UnsupportedQuery"),
        (f"{PRINCIPAL}/appRoleAssignedTo?$filter=principalId eq 'x'", 400, "BadRequest"),
    ],
)
def test_what_is_asked_wrongly_is_refused(url: str, status: int, code: str, http: Http) -> None:
    reply = get(http, url)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("url", [APP, f"{APP}/federatedIdentityCredentials", PRINCIPAL, GRANTS])
def test_guests_and_tokens_without_the_permission_are_refused(url: str, http: Http) -> None:
    users = http.stack.issue_access_token("alice", app="graph", scopes=("User.Read",))
    for reply in (get(http, url, "greta"), http.get(url, users)):
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    other = azure_cli_token(http.stack.entra, PEOPLE["alice"], "https://vault.azure.net/.default")
    assert http.get(url, other).status_code == 401


def test_nothing_can_be_changed(http: Http) -> None:
    token = azure_cli_token(http.stack.entra, PEOPLE["alice"], "https://graph.microsoft.com/.default")
    for method in ("PATCH", "POST", "DELETE"):
        reply = http.session.request(method, APP, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert reply.status_code == 405


def test_the_azure_cli_needs_pre_authorization_for_an_api(own: Http) -> None:
    from emulators.applications import AZURE_CLI

    address = f"http://localhost:{own.stack.ports.sign_in}/_emulators/azure-cli-token"
    asked = {"person": "alice", "scope": f"{API.identifier_uris[0]}/access_as_user"}
    assert own.session.post(address, json=asked, timeout=10).json()["accessToken"].count(".") == 2
    own.stack.directory.pre_authorize(API, AZURE_CLI, ())
    refused = own.session.post(address, json=asked, timeout=10)
    assert (refused.status_code, refused.json()["error"][:11]) == (403, "AADSTS65001")
    unknown = own.session.post(address, json={**asked, "scope": "api://nobody/x"}, timeout=10)
    assert unknown.json()["error"].startswith("AADSTS500011")
    blocked = own.session.post(
        address, json={"person": "blake", "scope": "https://graph.microsoft.com/.default"}, timeout=10
    )
    assert blocked.json()["error"].startswith("AADSTS53003")
