"""The emulated registrations are the same as those that the Bicep makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emulators import environment
from emulators.applications import GRAPH, Application
from emulators.directory import Directory
from emulators.people import CONTOSO, PEOPLE
from emulators.registrations import registrations
from emulators.table import addressed, read_table
from tests.infra.bicep import TENANT
from tests.infra.open_values import app_id
from tests.infra.project import Deployment, Project, at
from tests.infra.rules import laptop
from tests.infra.rules.documents import GRAPH_SCOPES

TABLE = addressed(read_table(), "https://HOST")
APPLICATIONS = registrations(TABLE)
API, CLIENT, ORDERS, MCP = (APPLICATIONS[key] for key in ("api", "client", "orders", "mcp"))
HERE, THERE = "local-stack.toml", "infra/app-registrations.bicep"
KEYS = ("client", "mcp", "api", "orders")
# What the laptop has and Azure does not, with the reason.
ONLY_HERE: dict[tuple[str, str], tuple[set[str], str]] = {
    ("api", "redirect URIs"): (
        {"http://localhost/_emulators/consented"},
        "the page after an administrator's consent; in Azure it ends on AADSTS500113 with the consent recorded",
    ),
    ("api", "audiences"): (
        {"api://CLIENT-ID"},
        "the name Entra's portal offers; the peers of the benchmarks ask for it",
    ),
    ("orders", "audiences"): ({"api://CLIENT-ID"}, "as for the API"),
}
Registration = Mapping[str, set[str]]


def emulated(app: Application) -> Registration:
    """What a registration of the local stack is, each part as a set of texts."""
    requires = {f"{key}: {scope}" for key, scopes in app.requires.items() for scope in scopes}
    clients = {each.client_id: key for key, each in APPLICATIONS.items()}
    return {
        "scopes": set(app.scopes),
        "audiences": {_audience(uri, CONTOSO, app.client_id) for uri in app.identifier_uris},
        "token version": {str(app.token_version)} if app.scopes else set(),
        "required permissions": requires,
        "pre-authorized clients": {f"{key}: {scope}" for key, scopes in app.pre_authorizes.items() for scope in scopes},
        "known clients": {clients[each] for each in app.known_clients},
        "optional claims": set(app.optional_claims),
        "redirect URIs": set(app.redirect_uris),
        "public client": {str(app.device_codes)},
    }


def deployed(deployment: Deployment) -> dict[str, Registration]:
    """The same of the registrations that a deployment makes, by the beginning of the unique name."""
    merged: dict[str, dict[str, Any]] = {}
    for app in deployment.of_type("Microsoft.Graph/applications"):
        found = merged.setdefault(app["properties"]["uniqueName"].partition("-")[0], {})
        found.update({**app["properties"], "api": {**found.get("api", {}), **app["properties"].get("api", {})}})
    keys = {app_id(key): key for key in merged} | {GRAPH.client_id: "graph"}
    scopes = {each["id"]: each["value"] for app in merged.values() for each in _scopes(app)} | GRAPH_SCOPES
    return {key: _registration(app, keys, scopes) for key, app in merged.items()}


def _registration(app: dict[str, Any], keys: Mapping[str, str], scopes: Mapping[str, str]) -> Registration:
    required = [
        (each["resourceAppId"], one["id"])
        for each in _list(app, "requiredResourceAccess")
        for one in each["resourceAccess"]
    ]
    allowed = [
        (each["appId"], one)
        for each in _list(app, "api.preAuthorizedApplications")
        for one in each["delegatedPermissionIds"]
    ]
    redirects = [uri for kind in ("web", "spa", "publicClient") for uri in _list(app, f"{kind}.redirectUris")]
    exposed = _scopes(app)
    return {
        "scopes": {each["value"] for each in exposed},
        "audiences": {_audience(uri, TENANT, "") for uri in app.get("identifierUris", ())},
        "token version": {str(at(app, "api.requestedAccessTokenVersion"))} if exposed else set(),
        "required permissions": {f"{keys.get(who, who)}: {scopes.get(what, what)}" for who, what in required},
        "pre-authorized clients": {f"{keys.get(who, who)}: {scopes.get(what, what)}" for who, what in allowed},
        "known clients": {keys.get(each, each) for each in _list(app, "api.knownClientApplications")},
        "optional claims": {each["name"] for each in _list(app, "optionalClaims.accessToken")},
        "redirect URIs": set(redirects),
        "public client": {str(bool(app.get("isFallbackPublicClient")))},
    }


def _list(app: dict[str, Any], path: str) -> list[Any]:
    return list(at(app, path) or ())


def _scopes(app: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in _list(app, "api.oauth2PermissionScopes") if each["isEnabled"]]


def _audience(uri: str, tenant: str, client_id: str) -> str:
    """The form of an audience: names, tenants and client ids differ from one place to another."""
    if uri == f"api://{client_id}":
        return "api://CLIENT-ID"
    if uri.startswith(f"api://{tenant}/"):
        return "api://TENANT/NAME"
    return re.sub(r"^https://func-api-\w+\.azurewebsites\.net", "https://HOST", uri)


def differences(local: Mapping[str, Application], azure: Mapping[str, Registration]) -> list[str]:
    """What one side has and the other lacks, one line each, with what to do."""
    found = []
    for key in sorted({*local, *azure}):
        if key not in local or key not in azure:
            place, other = (THERE, HERE) if key not in local else (HERE, THERE)
            found.append(f"the registration {key} is in {place} alone: add it to {other}")
            continue
        here, there = emulated(local[key]), azure[key]
        for part in here:
            only_here = here[part] - there[part] - ONLY_HERE.get((key, part), (set(), ""))[0]
            found += [f"{key}: {part}: {each!r} is in {HERE} alone: add it to {THERE}" for each in sorted(only_here)]
            only_there = there[part] - here[part]
            found += [f"{key}: {part}: {each!r} is in {THERE} alone: add it to {HERE}" for each in sorted(only_there)]
    return found


LOCAL = {key: APPLICATIONS[key] for key in KEYS}


def test_the_laptop_and_azure_have_the_same_registrations(project: Project) -> None:
    assert differences(LOCAL, deployed(project.deployment("certificate"))) == []


def test_what_is_only_here_is_there_no_more_than_it_is_needed(project: Project) -> None:
    azure = deployed(project.deployment("certificate"))
    for (key, part), (values, reason) in ONLY_HERE.items():
        assert values <= emulated(LOCAL[key])[part] - azure[key][part]
        assert reason


@pytest.mark.parametrize(
    ("app", "change", "line"),
    [
        (
            API,
            {"scopes": (*API.scopes, "api.planted")},
            f"api: scopes: 'api.planted' is in {HERE} alone: add it to {THERE}",
        ),
        (ORDERS, {"scopes": ("Orders.Read",)}, f"orders: scopes: 'Orders.Write' is in {THERE} alone: add it to {HERE}"),
        (API, {"requires": {"orders": API.requires["orders"]}}, "api: required permissions: 'graph: User.Read' is in"),
        (API, {"pre_authorizes": {}}, "api: pre-authorized clients: 'client: access_as_user' is in"),
        (API, {"known_clients": ()}, "api: known clients: 'client' is in"),
        (ORDERS, {"optional_claims": frozenset({"idtyp"})}, "orders: optional claims: 'acrs' is in"),
        (CLIENT, {"redirect_uris": ()}, "client: redirect URIs: 'http://localhost' is in"),
        (MCP, {"redirect_uris": ("http://localhost",)}, "mcp: redirect URIs: 'http://127.0.0.1' is in"),
        (API, {"identifier_uris": API.identifier_uris[:2]}, "api: audiences: 'https://HOST' is in"),
        (CLIENT, {"device_codes": False}, "client: public client: 'False' is in"),
        (ORDERS, {"identifier_uris": ("api://orders",)}, "orders: audiences: 'api://orders' is in"),
        (API, {"token_version": 1}, "api: token version: '1' is in"),
    ],
)
def test_a_difference_in_the_emulator_is_named(app: Application, change: Any, line: str, project: Project) -> None:
    changed = {**LOCAL, app.key: replace(app, **change)}
    assert any(each.startswith(line) for each in differences(changed, deployed(project.deployment("certificate"))))


SCOPE = """
  {{
    id: guid(apiUniqueName, '{0}')
    value: '{0}'
    type: 'User'
    isEnabled: true
    adminConsentDisplayName: 'Place orders as the signed-in user'
    adminConsentDescription: 'Lets the app place orders on behalf of the signed-in user.'
    userConsentDisplayName: 'Place orders as you'
    userConsentDescription: 'Lets the app place orders on your behalf.'
  }}
]

// <orders>
var ordersScopes"""


def test_a_scope_in_the_bicep_alone_is_named_with_what_to_do(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path).changed(
        "infra/app-registrations.bicep", "\n]\n\n// <orders>\nvar ordersScopes", SCOPE.format("api.planted")
    )
    assert differences(LOCAL, deployed(copy.deployment("certificate"))) == [
        f"api: scopes: 'api.planted' is in {THERE} alone: add it to {HERE}",
        f"api: pre-authorized clients: 'client: api.planted' is in {THERE} alone: add it to {HERE}",
        f"api: pre-authorized clients: 'mcp: api.planted' is in {THERE} alone: add it to {HERE}",
        f"client: required permissions: 'api: api.planted' is in {THERE} alone: add it to {HERE}",
        f"mcp: required permissions: 'api: api.planted' is in {THERE} alone: add it to {HERE}",
    ]


def test_a_registration_on_one_side_alone_is_named(project: Project) -> None:
    azure = deployed(project.deployment("certificate"))
    assert differences({"api": API, "client": CLIENT, "mcp": MCP}, azure) == [
        f"the registration orders is in {THERE} alone: add it to {HERE}"
    ]
    assert differences({**LOCAL, "stock": ORDERS}, azure) == [
        f"the registration stock is in {HERE} alone: add it to {THERE}"
    ]


def test_each_role_that_is_assigned_on_the_laptop_is_declared_in_azure(project: Project) -> None:
    declared = {
        (app["properties"]["uniqueName"].partition("-")[0], role["value"])
        for app in project.deployment("certificate").of_type("Microsoft.Graph/applications")
        for role in app["properties"].get("appRoles", ())
    }
    directory = Directory(TABLE)
    assigned = {
        (app.key, role) for app in LOCAL.values() for who in PEOPLE.values() for role in directory.roles(who, app)
    }
    assert assigned
    assert assigned <= declared


def test_a_role_for_applications_on_the_laptop_alone_is_named(project: Project) -> None:
    table = 'scopes = ["access_as_user"]\n[app_roles]\n"Jobs.Run" = ["nightly"]\n"Jobs.Walk" = ["nightly"]'
    texts = {**project.texts, "local-stack.toml": table}
    (problem,) = [each for each in laptop.scopes(cast(Project, SimpleNamespace(texts=texts))) if "app_roles" in each]
    assert problem == (
        "'Jobs.Walk' is in app_roles of local-stack.toml and not in apiAppRoles of infra/app-registrations.bicep: "
        "add it there"
    )


def test_the_laptop_serves_as_many_requests_at_a_time_as_azure(project: Project) -> None:
    default = project.deployment("certificate").parameters["httpConcurrency"]
    assert str(default) == environment.THREADS
