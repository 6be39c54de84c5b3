"""The app settings that Bicep writes are the ones the code reads: none unknown, none missing, for both credentials."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from shared.errors import SettingsError
from shared.settings import Settings
from tests.infra.evaluator import VARIANTS, Deployed, Deployment, deploy
from tests.infra.project import Project

# Read by the Functions host and by its Application Insights exporter, not by the code.
PLATFORM = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
ENTRY_POINT = "PYTHON_SCRIPT_FILE_NAME"
DEFAULT_ENTRY_POINT = "function_app.py"
OF_THE_CODE = ("AzureAd__", "DownstreamApis__", "TokenCache__")
# azure-identity takes these as its own, whatever they were meant for.
NEVER = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH")


def problems(project: Project) -> list[str]:
    """Every variant of the deployment is evaluated, and each app's settings are read as the app reads them."""
    found: list[str] = []
    for name, parameters in VARIANTS.items():
        deployment = deploy(project, **parameters)
        written = app_settings(deployment)
        if len(written) != len(deployment.of_type("Microsoft.Web/sites")):
            found.append(f"{name}: not every site has its settings")
        for resource in deployment.of_type("Microsoft.Web/sites/config"):
            found += [f"{resource.where} ({name}): {what}" for what in _of_site(project, deployment, resource)]
    return list(dict.fromkeys(found))


def app_settings(deployment: Deployment) -> dict[str, dict[str, str]]:
    """The app settings by the name of the service in azure.yaml (`api`, `orders`)."""
    return {
        service_of(resource): resource.body["properties"]
        for resource in deployment.of_type("Microsoft.Web/sites/config")
        if resource.name == "appsettings"
    }


def service_of(resource: Deployed) -> str:
    """The service whose code runs on the site."""
    site = resource.parent or resource
    return str(site.body.get("tags", {}).get("azd-service-name", site.name))


def _of_site(project: Project, deployment: Deployment, resource: Deployed) -> Iterator[str]:
    settings = resource.body["properties"]
    not_text = [name for name, value in settings.items() if not isinstance(value, str)]
    yield from (f"{name} is no string" for name in not_text)
    if not_text:
        return
    for name in settings:
        if name in NEVER:
            yield f"{name} is azure-identity's own"
        elif name not in PLATFORM and name != ENTRY_POINT and not name.startswith(OF_THE_CODE):
            yield f"nothing reads {name}"
    yield from (f"{name} is missing" for name in sorted(PLATFORM - set(settings)))
    entry_point = settings.get(ENTRY_POINT, DEFAULT_ENTRY_POINT)
    if entry_point not in project.texts:
        yield f"{ENTRY_POINT}: there is no {entry_point}"
        return
    try:
        read = Settings.from_environ(settings)
    except SettingsError as error:
        yield f"the code refuses them: {error}"
        return
    yield from _needed(project.texts[entry_point], read)
    yield from _matching(deployment, read, service_of(resource))


def _needed(source: str, read: Settings) -> Iterator[str]:
    """What the functions of the app use and the settings do not have."""
    apis: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "api":
            apis |= {str(ast.literal_eval(each)) for each in node.args}
    for name in sorted(apis):
        if name.lower() not in read.downstream_apis:
            yield f"the code calls the API {name}, and no DownstreamApis__{name}__… is set"
    for name in sorted(read.downstream_apis.keys() - {api.lower() for api in apis}):
        yield f"no function calls the API {name}"
    if not read.scopes:
        yield "AzureAd__Scopes is missing: a function that names no scope would not start"
    if bool(read.client_credentials) != bool(read.downstream_apis):
        yield "a credential goes with APIs to call, and only with them"


def _matching(deployment: Deployment, read: Settings, service: str) -> Iterator[str]:
    """Settings that must be what the app registrations, the vault and the identity of the site say."""
    exposed = {
        f"{uri}/{scope['value']}": app.name
        for app in deployment.of_type("Microsoft.Graph/applications")
        for uri in app.body.get("identifierUris", ())
        for scope in app.body["api"]["oauth2PermissionScopes"]
    }
    registration = {app.read(("appId",)): app for app in deployment.of_type("Microsoft.Graph/applications")}
    if read.client_id not in registration:
        yield "AzureAd__ClientId is no app registration of this deployment"
    else:
        app = registration[read.client_id]
        if not app.name.startswith(f"{service}-"):
            yield f"AzureAd__ClientId is that of {app.name}"
        values = {scope["value"] for scope in app.body["api"]["oauth2PermissionScopes"]}
        yield from (f"AzureAd__Scopes: {app.name} exposes no {name}" for name in sorted(set(read.scopes) - values))
    for api in read.downstream_apis.values():
        unknown = [scope for scope in api.scopes if not scope.endswith("/.default") and scope not in exposed]
        yield from (f"DownstreamApis__{api.name}__Scopes: nobody exposes {scope}" for scope in unknown)
    site = next(each for each in deployment.of_type("Microsoft.Web/sites") if service_of(each) == service)
    identities = site.body["identity"]["userAssignedIdentities"]
    own = [
        identity.read(("properties", "clientId"))
        for identity in deployment.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
        if identity.id in identities
    ]
    for credential in read.client_credentials:
        if credential.managed_identity_client_id not in own:
            yield "AzureAd__ClientCredentials__0__ManagedIdentityClientId is no identity of the site"
    yield from _shared_cache(deployment, read, service, own)


def _shared_cache(deployment: Deployment, read: Settings, service: str, own: list[str]) -> Iterator[str]:
    """The API has the cache that is deployed, if one is, by its own identity; no other app has it."""
    deployed = {
        f"rediss://{cache.read(('properties', 'hostName'))}:{database.body['properties']['port']}"
        for cache in deployment.of_type("Microsoft.Cache/redisEnterprise")
        for database in cache.children
    }
    wanted = deployed if service == "api" else set()
    url, identity = read.redis.url.reveal(), read.redis.managed_identity_client_id
    if {url} - {""} != wanted:
        yield f"TokenCache__Redis__Url is {url!r} and should be {', '.join(sorted(wanted)) or 'unset'}"
    if url and identity not in own:
        yield "TokenCache__Redis__ManagedIdentityClientId is no identity of the site"
