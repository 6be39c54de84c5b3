"""The app settings that Bicep writes are the ones the code reads: none unknown, none missing, in each parameter set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from shared.errors import SettingsError
from shared.settings.settings import Settings
from tests.infra.bicep import TENANT
from tests.infra.open_values import app_id, client_id
from tests.infra.project import Deployment, Resource, at, label
from tests.infra.rules import deployment_rule

# Read by the Functions host, by its worker and by its Application Insights exporter, not by the code.
PLATFORM = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
ENTRY_POINT = "PYTHON_SCRIPT_FILE_NAME"
DEFAULT_ENTRY_POINT = "function_app.py"
OF_THE_CODE = ("AzureAd__", "DownstreamApis__", "TokenCache__")
# What a misspelled setting of the code, the host or the platform begins with; any other name is a user's own.
LIKE_OURS = ("azuread", "downstreamapi", "tokencache", "azurewebjobs", "applicationinsights", "functions_", "python_")
# azure-identity reads these itself, for every purpose.
NEVER = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH")


def app_settings(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The app settings of each site, by the name of the site."""
    return {
        site: resource["properties"]
        for resource in deployment.of_type("Microsoft.Web/sites/config")
        for site, _, name in [str(resource["name"]).partition("/")]
        if name == "appsettings"
    }


def service_of(site: Resource) -> str:
    """The service of azure.yaml whose code runs on the site."""
    return str((site.get("tags") or {}).get("azd-service-name", site["name"]))


def settings_by_service(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The app settings by the name of the service in azure.yaml (`api`, `orders`)."""
    written = app_settings(deployment)
    return {service_of(site): written.get(site["name"], {}) for site in deployment.of_type("Microsoft.Web/sites")}


@deployment_rule()
def names(deployment: Deployment) -> Iterator[str]:
    """Each setting is a string that its reader knows, and no setting of the platform is missing."""
    for service, settings in settings_by_service(deployment).items():
        for name, value in settings.items():
            if not isinstance(value, str):
                yield f"{service}: {name} is no string"
            if name in NEVER:
                yield f"{service}: {name} is azure-identity's own"
            elif not _known(name) and name.lower().startswith(LIKE_OURS):
                yield f"{service}: nothing reads {name}; is it misspelled?"
        yield from (f"{service}: {name} is missing" for name in sorted(PLATFORM - set(settings)))


@deployment_rule(makers=True)
def no_others(deployment: Deployment) -> Iterator[str]:
    """The template writes no setting that nothing in it reads."""
    for service, settings in settings_by_service(deployment).items():
        yield from (f"{service}: nothing reads {name}" for name in settings if not _known(name))


@deployment_rule()
def read(deployment: Deployment) -> Iterator[str]:
    """Each app takes its settings, has what its functions need, and points to what is deployed."""
    for site in deployment.of_type("Microsoft.Web/sites"):
        yield from (f"{label(site)}: {what}" for what in _of_site(deployment, site))


@deployment_rule(makers=True)
def used(deployment: Deployment) -> Iterator[str]:
    """Each API in the settings is called by a function."""
    for service, settings in settings_by_service(deployment).items():
        source = deployment.texts.get(settings.get(ENTRY_POINT, DEFAULT_ENTRY_POINT), "")
        try:
            configured = Settings.from_environ(settings).downstream_apis
        except SettingsError:
            continue  # said by the rule above
        for name in sorted(configured.keys() - {api.lower() for api in _called(source)}):
            yield f"{service}: no function calls the API {name}"


def _known(name: str) -> bool:
    return name in PLATFORM or name == ENTRY_POINT or name.startswith(OF_THE_CODE)


def _of_site(deployment: Deployment, site: Resource) -> Iterator[str]:
    settings = app_settings(deployment).get(site["name"])
    if settings is None:
        yield "has no app settings"
        return
    entry_point = settings.get(ENTRY_POINT, DEFAULT_ENTRY_POINT)
    if entry_point not in deployment.texts:
        yield f"{ENTRY_POINT}: there is no {entry_point}"
        return
    try:
        found = Settings.from_environ({name: value for name, value in settings.items() if isinstance(value, str)})
    except SettingsError as error:
        yield f"the code refuses the settings: {error}"
        return
    yield from _needed(deployment.texts[entry_point], found)
    yield from _registration(deployment, found, service_of(site))
    yield from _identities(deployment, found, site)


def _called(source: str) -> set[str]:
    """The APIs that functions call: the arguments of `.api("…")`."""
    return {
        each.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "api"
        for each in node.args
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def _needed(source: str, found: Settings) -> Iterator[str]:
    """What the functions of the app use and the settings do not have."""
    for name in sorted(_called(source)):
        if name.lower() not in found.downstream_apis:
            yield f"the code calls the API {name}, and no DownstreamApis__{name}__… is set"
    if found.public_urls and "register_functions(protected_resource)" not in source:
        yield "AzureAd__PublicUrls is set: add app.register_functions(protected_resource), which serves its documents"
    if not found.scopes:
        yield "AzureAd__Scopes is missing: a function that names no scope would not start"
    if bool(found.client.credentials) != bool(found.downstream_apis):
        yield "a credential goes with APIs to call, and only with them"


def registrations(deployment: Deployment) -> dict[str, list[str]]:
    """The scope values that each app registration exposes, by the registration's unique name."""
    return {
        app["properties"]["uniqueName"]: [
            scope["value"] for scope in at(app, "properties.api.oauth2PermissionScopes") or ()
        ]
        for app in deployment.of_type("Microsoft.Graph/applications")
    }


def _registration(deployment: Deployment, found: Settings, service: str) -> Iterator[str]:
    """The client id and the scopes are those of the app registrations, where this deployment makes them."""
    exposed = registrations(deployment)
    if not exposed:
        return
    name = next((name for name in exposed if app_id(name.partition("-")[0]) == found.authority.client_id), None)
    if name is None:
        yield "AzureAd__ClientId is no app registration of this deployment"
        return
    if not name.startswith(f"{service}-"):
        yield f"AzureAd__ClientId is that of {name}"
    yield from (f"AzureAd__Scopes: {name} exposes no {each}" for each in sorted(set(found.scopes) - set(exposed[name])))
    uris = {
        f"{uri}/{scope}"
        for app in deployment.of_type("Microsoft.Graph/applications")
        for uri in app["properties"].get("identifierUris", ())
        for scope in exposed[app["properties"]["uniqueName"]]
    }
    tenant = f"api://{TENANT}/"  # an API of somebody else is out of sight
    for api in found.downstream_apis.values():
        for scope in api.scopes:
            if scope.startswith(tenant) and not scope.endswith("/.default") and scope not in uris:
                yield f"DownstreamApis__{api.name}__Scopes: nobody exposes {scope}"


def _identities(deployment: Deployment, found: Settings, site: Resource) -> Iterator[str]:
    """Each identity in the settings is one of the site's; the API alone has the cache, if one is deployed."""
    own = [client_id(each.rpartition("/")[2]) for each in at(site, "identity.userAssignedIdentities") or {}]
    for credential in found.client.credentials:
        if credential.managed_identity_client_id not in own:
            yield "AzureAd__ClientCredentials__0__ManagedIdentityClientId is no identity of the site"
    databases = deployment.of_type("Microsoft.Cache/redisEnterprise/databases")
    cached = bool(databases) and service_of(site) == "api"
    url, identity = (found.redis.url.reveal(), found.redis.managed_identity_client_id) if found.redis else ("", "")
    names = [database["name"].partition("/")[0] for database in databases]
    right = any(url.startswith(f"rediss://{name}.") for name in names) if cached else not url
    if not right:
        yield f"TokenCache__Redis__Url is {url!r} and should be {'that of ' + names[0] if cached else 'unset'}"
    if url and identity not in own:
        yield "TokenCache__Redis__ManagedIdentityClientId is no identity of the site"
