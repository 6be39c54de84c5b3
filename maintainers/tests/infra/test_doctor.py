"""The doctor expects what the Bicep makes: for each set of parameters it finds nothing wrong in such a tenant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from doctor.case import VERSIONS
from doctor.given import Given
from doctor.verdicts import OK
from emulators.applications import API, API_ID, API_IDENTITY, AZURE_CLI, CLIENT_ID, MCP_CLIENT_ID, FederatedCredential
from emulators.directory import EVERYBODY
from emulators.people import CONTOSO
from emulators.resources.roles import RoleAssignment
from emulators.resources.store import SUBSCRIPTION as EMULATED
from emulators.resources.store import VAULT_NAME
from emulators.stack import Stack
from maintainers.tests.dev.doctor_support import DeployedApi, Patient, whole_again
from tests.infra.bicep import SUBSCRIPTION, TENANT
from tests.infra.open_values import app_id, client_id, filled, object_id, principal_id
from tests.infra.project import ROOT

SNAPSHOTS = ROOT / "maintainers/tests/infra/snapshots"
SETS = (
    "certificate",
    "vault-key",
    "managed-identity",
    "certificate-everything-on",
    "managed-identity-everything-on",
    "several-tenants",
    "existing-vault",
    "assignment-required",
)
APP, FEDERATED = "Microsoft.Graph/applications@v1.0", "Microsoft.Graph/applications/federatedIdentityCredentials@v1.0"
PRINCIPAL, GRANT = "Microsoft.Graph/servicePrincipals@v1.0", "Microsoft.Graph/oauth2PermissionGrants@v1.0"
KEYS = ("api", "client", "mcp", "orders")
COPILOT = "ab3be6b7-f5df-413d-ac2d-abf1e3fd9c0b"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    api = DeployedApi()
    with Stack.start(tmp_path_factory.mktemp("tenant")) as stack:
        yield Patient(stack, api, {})
    api.stop()


@pytest.fixture
def patient(whole: Patient) -> Iterator[Patient]:
    with whole_again(whole):
        yield whole


def deployed(name: str, patient: Patient) -> tuple[list[Json], Json]:
    """Resources and outputs of a snapshot, with the ids of the emulated tenant in place of made-up ones."""
    snapshot = json.loads((SNAPSHOTS / f"{name}.json").read_text(encoding="utf-8"))
    found = {"resources": filled(snapshot["predictedResources"]), "outputs": filled(snapshot["outputs"])}
    text = json.dumps(found)
    (identity,) = {one["name"] for one in found["resources"] if "/userAssignedIdentities/id-api-" in str(one.get("id"))}
    vault = found["outputs"]["KEY_VAULT_NAME"]
    changes = {
        TENANT: CONTOSO,
        "2c3d4e5f-6071-4829-9a3b-c4d5e6f70819": EMULATED.rpartition("/")[2],  # the subscription of the vault given
        SUBSCRIPTION: EMULATED.rpartition("/")[2],
        app_id("api"): API_ID,
        app_id("client"): CLIENT_ID,
        app_id("mcp"): MCP_CLIENT_ID,
        app_id("orders"): patient.stack.directory.applications["orders"].client_id,
        client_id(identity): API_IDENTITY.client_id,
        principal_id(identity): API_IDENTITY.principal_id,
        **({vault: VAULT_NAME} if vault else {}),
        found["outputs"]["API_BASE_URL"]: patient.api.url,
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    result: Json = json.loads(text)
    return result["resources"], result["outputs"]


def put(resources: list[Json], patient: Patient) -> None:
    """Makes the emulated tenant the one that the Bicep deploys."""
    azure = patient.stack.management.resources
    azure.clear()
    vault = patient.stack.vault
    for holders in (vault.readers, vault.officers, vault.certificate_users, vault.crypto_users):
        holders.clear()
    vault.metadata_readers.discard(API_IDENTITY.principal_id)
    for one in resources:
        kind, properties = one["type"], one.get("properties", {})
        if kind == "Microsoft.Authorization/roleAssignments":
            role = str(properties["roleDefinitionId"]).rpartition("/")[2]
            scope = str(one["id"]).rpartition(f"/providers/{kind}/")[0]
            azure.assignments.append(RoleAssignment(properties["principalId"], role, scope))
        elif kind == "Microsoft.Web/sites/config":
            azure.app_settings[one["name"].partition("/")[0]] = properties
        elif kind == "Microsoft.Web/sites":
            ids = {"clientId": API_IDENTITY.client_id, "principalId": API_IDENTITY.principal_id}
            own = dict.fromkeys(one["identity"]["userAssignedIdentities"], ids)
            azure.put(one["id"], properties=properties, identity={**one["identity"], "userAssignedIdentities": own})
        elif "id" in one:
            azure.put(one["id"], properties=properties)
    _put_registrations(resources, patient)
    for path in ("", "/api/mcp"):
        base = f"{patient.api.url}{path}"
        document = {"resource": base, "scopes_supported": [f"{base}/access_as_user"]}
        patient.api.replies[f"/.well-known/oauth-protected-resource{path}"] = (200, document)


def _put_registrations(resources: list[Json], patient: Patient) -> None:
    directory = patient.stack.directory
    merged: dict[str, Json] = {}
    for one in (each["properties"] for each in resources if each["type"] == APP):
        key = one["uniqueName"].partition("-")[0]
        before = merged.get(key, {})
        merged[key] = {**before, **one, "api": {**before.get("api", {}), **one.get("api", {})}}
    names = {
        scope["id"]: scope["value"] for app in merged.values() for scope in app["api"].get("oauth2PermissionScopes", ())
    }
    names["e1fe6dd8-ba31-4d61-89e7-88639da4683d"] = "User.Read"
    by_id = {directory.applications[key].client_id: key for key in (*KEYS, "graph")}
    for key, app in merged.items():
        directory.change(
            key,
            identifier_uris=tuple(app.get("identifierUris", ())),
            scopes=tuple(scope["value"] for scope in app["api"].get("oauth2PermissionScopes", ())),
            token_version=app["api"].get("requestedAccessTokenVersion", 1),
            known_clients=tuple(app["api"].get("knownClientApplications", ())),
            redirect_uris=tuple(app.get("publicClient", {}).get("redirectUris", ())),
            spa_redirect_uris=tuple(app.get("spa", {}).get("redirectUris", ())),
            device_codes=bool(app.get("isFallbackPublicClient")),
            for_several_tenants=app["signInAudience"] == "AzureADMultipleOrgs",
            requires={
                by_id[one["resourceAppId"]]: tuple(names[access["id"]] for access in one["resourceAccess"])
                for one in app.get("requiredResourceAccess", ())
            },
        )
        listed = {claim["name"] for claim in app.get("optionalClaims", {}).get("accessToken", ())}
        for claim in (*directory.optional_claims(directory.applications[key]), *listed):
            directory.ask_for_claim(directory.applications[key], claim, wanted=claim in listed)
        clients = {
            one["appId"]: one["delegatedPermissionIds"] for one in app["api"].get("preAuthorizedApplications", ())
        }
        for client in (*(directory.applications[each] for each in KEYS), AZURE_CLI):
            scopes = tuple(names[one] for one in clients.get(client.client_id, ()))
            directory.pre_authorize(directory.applications[key], client, scopes)
    if not merged["api"].get("keyCredentials"):
        directory.unregister_certificate(API, patient.stack.client_certificate)
    records = (one["properties"] for one in resources if one["type"] == FEDERATED)
    directory.federate(
        API, *(FederatedCredential(one["issuer"], one["subject"], tuple(one["audiences"])) for one in records)
    )
    for one in (each["properties"] for each in resources if each["type"] == PRINCIPAL):
        if one.get("appRoleAssignmentRequired"):
            directory.require_assignment(directory.applications[by_id[one["appId"]]], "alice")
    directory.withdraw_consent("alice")  # the Bicep consents for everybody, or for nobody
    for one in (each["properties"] for each in resources if each["type"] == GRANT):
        resource = "graph" if one["resourceId"] == object_id("graphServicePrincipal") else "orders"
        scopes = tuple(one["scope"].split())
        directory.grant(EVERYBODY, directory.applications["api"], directory.applications[resource], scopes)


def azd(name: str, outputs: Json, patient: Patient) -> dict[str, str]:
    """What `azd env get-values` prints after such a deployment."""
    options = {"vault-key": {"CLIENT_CREDENTIAL": "vaultKey"}}.get(name, {})
    if name == "several-tenants":
        urls = '["https://api.example.com/api/mcp", "https://api.example.com"]'
        options = {"ALLOWED_TENANTS": '["b2715f4e-3d2c-4b1a-8998-877665544332"]', "API_PUBLIC_URLS": urls}
    if name.endswith("everything-on"):
        options = {"BROWSER_ORIGINS": '["https://app.example.com"]'}
    if name == "certificate-everything-on":
        options |= {"API_PUBLIC_URLS": '["https://api.example.com/api/mcp"]', "COPILOT_CLIENT_ID": COPILOT}
    where = {"AZURE_SUBSCRIPTION_ID": EMULATED.rpartition("/")[2], "AZURE_ENV_NAME": "test", **options}
    return {**{key: str(value) for key, value in outputs.items()}, **where, "API_BASE_URL": patient.api.url}


@pytest.mark.parametrize("by", ["what azd puts out", "the settings of the site"])
@pytest.mark.parametrize("name", SETS)
def test_nothing_is_wrong_where_the_bicep_was_deployed(name: str, by: str, patient: Patient) -> None:
    resources, outputs = deployed(name, patient)
    put(resources, patient)
    patient.environ = azd(name, outputs, patient)
    if patient.environ["CREDENTIAL_NAME"] not in ("", "api-client"):
        patient.stack.vault.put_certificate(patient.environ["CREDENTIAL_NAME"], patient.stack.client_certificate)
    if by == "the settings of the site":
        (site,) = (
            settings for key, settings in patient.stack.management.resources.app_settings.items() if "-api-" in key
        )
        patient.environ.update(site)
    verdicts = patient.verdicts()

    consented = name.endswith("everything-on")
    own_domain = "api.example.com" in patient.environ.get("API_PUBLIC_URLS", "")
    not_ok = {one.name: one for one in verdicts.values() if one.status != OK}
    expected = (set() if consented else {"consent", "end to end"}) | ({"metadata"} if own_domain else set())
    assert set(not_ok) == expected, not_ok
    if own_domain:  # nothing serves it here
        assert not_ok["metadata"].found == ("api.example.com does not respond (ProxyError)",)
    if not consented:  # as docs/deploy.md says: somebody consents, and the Azure CLI is an option
        assert "User.Read of Graph" in not_ok["consent"].found[0]
        assert "DEVELOPER_TOOL_CLIENT_IDS" in not_ok["end to end"].right


@pytest.mark.parametrize("name", SETS)
def test_what_azd_puts_out_is_read_as_the_bicep_writes_it(name: str, patient: Patient) -> None:
    resources, outputs = deployed(name, patient)
    (site,) = (
        one["properties"] for one in resources if one["type"] == "Microsoft.Web/sites/config" and "-api-" in one["id"]
    )
    made = Given(azd(name, outputs, patient)).settings
    assert {key: value for key, value in made.items() if site.get(key) != value} == {}
    left = {key for key in site if key.startswith(("AzureAd__", "DownstreamApis__"))} - set(made)
    assert {key.rpartition("__")[2] for key in left} <= {"ManagedIdentityClientId", "TokenExchangeUrl"}


def test_the_versions_of_arm_are_those_of_the_bicep() -> None:
    resources = json.loads((SNAPSHOTS / "certificate-everything-on.json").read_text(encoding="utf-8"))[
        "predictedResources"
    ]
    used = {one["type"]: one["apiVersion"] for one in resources if "apiVersion" in one}
    assert {kind: used.get(kind) for kind in VERSIONS} == dict(VERSIONS)
