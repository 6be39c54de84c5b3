"""The API has exactly one credential: a certificate, a key in the vault, or the managed identity of its site."""

from __future__ import annotations

from collections.abc import Iterator

from tests.infra.bicep import TENANT
from tests.infra.open_values import principal_id
from tests.infra.project import Deployment, at, label
from tests.infra.rules import deployment_rule
from tests.infra.rules.settings import service_of, settings_by_service

AUDIENCE = "api://AzureADTokenExchange"


@deployment_rule()
def one_of_two(deployment: Deployment) -> Iterator[str]:
    """The registration knows certificates, or else the federated credential, as the parameter says."""
    chosen = deployment.parameters["clientCredential"]
    certificate = chosen != "managedIdentity"
    apps = [app for app in deployment.of_type("Microsoft.Graph/applications") if "keyCredentials" in app["properties"]]
    for app in apps:
        if bool(app["properties"]["keyCredentials"]) != certificate:
            yield f"{label(app)}: has {'no' if certificate else 'a'} certificate with {chosen}"
    federated = deployment.of_type("Microsoft.Graph/applications/federatedIdentityCredentials")
    if apps and len(federated) != (0 if certificate else 1):
        yield f"there are {len(federated)} federated credentials with {chosen}"


@deployment_rule()
def key(deployment: Deployment) -> Iterator[str]:
    """With vaultKey the API has the vault sign, and the key that the script makes cannot leave the vault."""
    chosen = deployment.parameters["clientCredential"]
    stays = chosen == "vaultKey"
    source = settings_by_service(deployment).get("api", {}).get("AzureAd__ClientCredentials__0__SourceType")
    if (source == "SignedAssertionFromVault") != stays:
        yield f"api: SourceType is {source} with {chosen}"
    for script in deployment.of_type("Microsoft.Resources/deploymentScripts"):
        given = {each["name"]: each.get("value") for each in script["properties"].get("environmentVariables", ())}
        if given.get("EXPORTABLE") != ("false" if stays else "true"):
            yield f"{label(script)}: EXPORTABLE is {given.get('EXPORTABLE')} with {chosen}"


@deployment_rule()
def federated(deployment: Deployment) -> Iterator[str]:
    """A federated credential accepts the API's own identity, in its own tenant, for the exchange only."""
    sites = [each for each in deployment.of_type("Microsoft.Web/sites") if service_of(each) == "api"]
    own = [
        principal_id(identity.rpartition("/")[2])
        for site in sites
        for identity in at(site, "identity.userAssignedIdentities") or {}
    ]
    for credential in deployment.of_type("Microsoft.Graph/applications/federatedIdentityCredentials"):
        found = credential["properties"]
        if found["subject"] not in own:
            yield f"{label(credential)}: its subject is no identity of the API's site"
        if found["audiences"] != [AUDIENCE]:
            yield f"{label(credential)}: its audiences must be {[AUDIENCE]}"
        if not found["issuer"].startswith("https://") or not found["issuer"].endswith(f"/{TENANT}/v2.0"):
            yield f"{label(credential)}: its issuer must be this tenant, v2.0, and is {found['issuer']}"
