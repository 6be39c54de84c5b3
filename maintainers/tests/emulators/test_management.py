"""Azure Resource Manager: what a developer with a role may read, and in which form. It is as strict as Azure."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from emulators.applications import API_IDENTITY, MANAGEMENT_URIS, SYSTEM_IDENTITY, VAULT_URI
from emulators.entra.azure_cli import azure_cli_token
from emulators.people import EVERYONE, PEOPLE
from emulators.resources.roles import READER
from emulators.resources.store import GROUP, SITE, VAULT_NAME
from emulators.stack import Stack

from .support import Http

ARM = "https://management.azure.com"
SITES = f"{GROUP}/providers/Microsoft.Web/sites"
VERSION = "api-version=2025-03-01"
ROLES = "providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
COMPONENTS = f"{GROUP}/providers/Microsoft.Insights/components?api-version=2020-02-02"


def token(stack: Stack, person: str = "alice", scope: str = f"{ARM}/.default") -> str:
    return azure_cli_token(stack.entra, EVERYONE[person], scope)


def get(http: Http, path: str, person: str = "alice") -> requests.Response:
    return http.get(f"{ARM}{path}", token(http.stack, person))


def code(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def test_a_site_with_its_identity_and_its_storage(http: Http) -> None:
    found = get(http, f"{SITES}/{SITE.upper()}?{VERSION}").json()  # paths do not depend on case
    assert (found["id"], found["type"]) == (f"{SITES}/{SITE}", "Microsoft.Web/sites")
    (identity,) = found["identity"]["userAssignedIdentities"].values()
    assert identity == {"clientId": API_IDENTITY.client_id, "principalId": API_IDENTITY.principal_id}
    storage = found["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["userAssignedIdentityResourceId"] in found["identity"]["userAssignedIdentities"]


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        (f"{SITES}/{SITE}", (400, "MissingApiVersionParameter")),
        (f"{SITES}/{SITE}?api-version=2099-01-01", (400, "NoRegisteredProviderFound")),
        (f"{SITES}/other?{VERSION}", (404, "ResourceNotFound")),
        (f"{GROUP}/providers/Microsoft.Other/things/x?{VERSION}", (404, "InvalidResourceType")),
        (
            f"/subscriptions/{PEOPLE['alice'].oid}/providers/Microsoft.Web/sites?{VERSION}",
            (404, "SubscriptionNotFound"),
        ),
        (f"{SITES}/{SITE}/config/appsettings/list?{VERSION}", (405, "MethodNotAllowed")),
        (f"{GROUP}/{ROLES}&$filter=roleDefinitionId eq 'x'", (400, "UnsupportedQuery")),
        (f"{COMPONENTS}&$skiptoken=x", (400, "InvalidSkipToken")),
    ],
)
def test_what_is_asked_wrongly_is_refused(path: str, refusal: tuple[int, str], http: Http) -> None:
    assert code(get(http, path)) == refusal


def test_a_token_for_another_service_or_of_nobody_is_refused(http: Http) -> None:
    url = f"{ARM}{SITES}/{SITE}?{VERSION}"
    for wrong in (token(http.stack, scope=f"{VAULT_URI}/.default"), token(http.stack)[:-6] + "AAAAAA", None):
        assert code(http.get(url, wrong)) == (401, "InvalidAuthenticationToken")


def test_somebody_without_a_role_is_told_which_action_it_was(http: Http) -> None:
    reply = get(http, f"{SITES}/{SITE}?{VERSION}", "olga")
    assert code(reply) == (403, "AuthorizationFailed")
    assert "'Microsoft.Web/sites/read'" in reply.json()["error"]["message"]
    assert PEOPLE["olga"].oid in reply.json()["error"]["message"]


def test_the_names_of_app_settings_take_more_than_reader(own: Http) -> None:
    url = f"{ARM}{SITES}/{SITE}/config/appsettings/list?{VERSION}"
    headers = {"Authorization": f"Bearer {token(own.stack)}"}
    found = own.post(url, {}, **headers)
    assert (found.status_code, found.json()["name"]) == (200, "appsettings")
    assert "AzureAd__ClientId" in found.json()["properties"]
    assert "IDENTITY_HEADER" not in found.json()["properties"]

    own.stack.management.resources.developers[PEOPLE["alice"].oid] = {READER}
    refused = own.post(url, {}, **headers)
    assert code(refused) == (403, "AuthorizationFailed")
    assert "Microsoft.Web/sites/config/list/action" in refused.json()["error"]["message"]


def test_role_assignments_at_above_and_below_come_in_pages(http: Http) -> None:
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{VAULT_NAME}"
    url: str | None = f"{ARM}{vault}/{ROLES}&$filter=assignedTo('{API_IDENTITY.principal_id}')"
    found: list[dict[str, Any]] = []
    pages = 0
    while url:
        page = http.get(url, token(http.stack)).json()
        found, pages, url = [*found, *page["value"]], pages + 1, page.get("nextLink")
    assert pages > 1
    assert {one["properties"]["scope"] for one in found} == {vault}
    assert {one["properties"]["principalId"] for one in found} == {API_IDENTITY.principal_id}
    below = get(http, f"{GROUP}/{ROLES}&$filter=principalId eq '{API_IDENTITY.principal_id}'").json()
    assert "nextLink" in below
    assert get(http, f"{vault}/{ROLES}&$filter=assignedTo('{SYSTEM_IDENTITY.principal_id}')").json() == {"value": []}


def test_the_role_of_the_vault_and_what_the_vault_allows_are_one(own: Http) -> None:
    secrets_user = "4633458b-17de-408a-b874-0445c86b69e6"
    path = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{VAULT_NAME}/{ROLES}"

    def has_it() -> bool:
        following: str | None = f"{ARM}{path}"
        roles = []
        while following:
            page = own.get(following, token(own.stack)).json()
            roles += [one["properties"]["roleDefinitionId"] for one in page["value"]]
            following = page.get("nextLink")
        return any(role.endswith(secrets_user) for role in roles)

    assert has_it()
    own.stack.vault.readers.clear()
    assert not has_it()


def test_a_developer_sees_the_subscription_and_changes_nothing(http: Http) -> None:
    (found,) = get(http, "/subscriptions?api-version=2022-12-01").json()["value"]
    assert found["id"] == GROUP.partition("/resourceGroups/")[0]
    for method in ("PUT", "PATCH", "DELETE"):
        reply = http.session.request(
            method,
            f"{ARM}{SITES}/{SITE}?{VERSION}",
            headers={"Authorization": f"Bearer {token(http.stack)}"},
            timeout=10,
        )
        assert code(reply) == (405, "MethodNotAllowed")


def test_both_names_of_the_service_are_audiences(http: Http) -> None:
    for uri in MANAGEMENT_URIS:
        known = token(http.stack, scope=f"{uri}/.default")
        assert http.get(f"{ARM}{SITES}/{SITE}?{VERSION}", known).status_code == 200
