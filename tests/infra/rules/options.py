"""The options do what they say: registrations and a certificate of somebody else, owners, and who may call."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.hosting.protected_resource import metadata
from shared.settings.settings import Settings
from tests.infra.bicep import TENANT
from tests.infra.open_values import app_id, object_id
from tests.infra.project import MAIN, Deployment, at, label
from tests.infra.rules import deployment_rule
from tests.infra.rules.settings import service_of, settings_by_service

APPS, PRINCIPALS = "Microsoft.Graph/applications", "Microsoft.Graph/servicePrincipals"
ASSIGNMENTS = "Microsoft.Graph/appRoleAssignedTo"
NO_ROLE = "00000000-0000-0000-0000-000000000000"
CALLED = {
    "apiServicePrincipal": "api",
    "ordersServicePrincipal": "orders",  # <orders/>
}
COPILOTS_PAGE = "https://teams.microsoft.com/api/platform/v1.0/oAuthConsentRedirect"
OF_A_VAULT = ("Microsoft.KeyVault/vaults", "Microsoft.Resources/deploymentScripts")


@deployment_rule()
def registrations(deployment: Deployment) -> Iterator[str]:
    """With registrations of somebody else nothing is registered or noted, and the settings have their client ids."""
    given = deployment.parameters
    theirs = {
        "api": given["existingApiClientId"],
        "orders": given["existingOrdersClientId"],  # <orders/>
    }
    if not theirs["api"]:
        return
    for resource in deployment.resources:
        if resource["type"].startswith("Microsoft.Graph/"):
            yield f"{label(resource)}: the registrations are somebody else's"
    if deployment.outputs["APP_REGISTRATION_OBJECT_IDS"]:
        yield f"{MAIN}: APP_REGISTRATION_OBJECT_IDS is what `azd down` deletes, and these are somebody else's"
    for service, settings in settings_by_service(deployment).items():
        if service in theirs and settings.get("AzureAd__ClientId") != theirs[service]:
            yield f"{service}: AzureAd__ClientId is not the one that was given"
    certificate = given["clientCredential"] != "managedIdentity"
    for name in ("SUBJECT", "ISSUER", "AUDIENCE"):
        if bool(deployment.outputs[f"CREDENTIAL_{name}"]) == certificate:
            yield f"{MAIN}: CREDENTIAL_{name} is for the identity team, when the credential is the managed identity"


@deployment_rule()
def vault(deployment: Deployment) -> Iterator[str]:
    """With a vault of somebody else there is no other, and no script; the settings name theirs."""
    given = deployment.parameters
    if not given["existingVaultId"]:
        return
    for kind in OF_A_VAULT:
        yield from (f"{label(each)}: the certificate is in a vault that was given" for each in deployment.of_type(kind))
    name = given["existingVaultId"].rpartition("/")[2]
    settings = settings_by_service(deployment)["api"]
    if not settings["AzureAd__ClientCredentials__0__KeyVaultUrl"].startswith(f"https://{name}."):
        yield "api: KeyVaultUrl is not that of the vault that was given"
    if settings["AzureAd__ClientCredentials__0__KeyVaultCertificateName"] != given["existingCertificateName"]:
        yield "api: KeyVaultCertificateName is not the name that was given"


@deployment_rule()
def callers(deployment: Deployment) -> Iterator[str]:
    """Assignment is required for each API or left alone, and who is to be assigned is assigned to each."""
    required = deployment.parameters["requireAssignment"]
    services = {app_id(service): service for service in CALLED.values()}
    for principal in deployment.of_type(PRINCIPALS):
        service = services.get(principal["properties"]["appId"])
        if service and at(principal, "properties.appRoleAssignmentRequired") is not (True if required else None):
            yield f"{service}: appRoleAssignmentRequired must be {'true' if required else 'left out'}"
    wanted = sorted([one for one in deployment.parameters["assignedPrincipalIds"] for _ in CALLED])
    found = [
        each
        for each in deployment.of_type(ASSIGNMENTS)
        if each["properties"]["appRoleId"] not in _job_roles(deployment)
    ]
    if sorted(each["properties"]["principalId"] for each in found) != wanted:
        yield f"assigned must be, to each of {list(CALLED.values())}: {deployment.parameters['assignedPrincipalIds']}"
    if wanted and len({each["properties"]["resourceId"] for each in found}) != len(CALLED):
        yield f"somebody is assigned to one of {list(CALLED.values())} and not to another"
    for each in found:
        if each["properties"]["appRoleId"] != NO_ROLE:
            yield f"{label(each)}: an assignment to the app as such has the role {NO_ROLE}"


@deployment_rule()
def applications(deployment: Deployment) -> Iterator[str]:
    """A role for applications is for no user, and goes to those that the parameter names, on the API alone."""
    for app in deployment.of_type(APPS):
        for role in at(app, "properties.appRoles") or ():
            if role["allowedMemberTypes"] not in (["User"], ["Application"]):
                yield f"{label(app)}: the role {role['value']} must be for users or for applications, and not for both"
    roles = _job_roles(deployment)
    given = [each for each in deployment.of_type(ASSIGNMENTS) if each["properties"]["appRoleId"] in roles]
    wanted = sorted(deployment.parameters["jobPrincipalIds"])
    if sorted(each["properties"]["principalId"] for each in given) != wanted:
        yield f"the role for applications must be given to jobPrincipalIds and to nobody else: {wanted}"
    elsewhere = [each for each in given if each["properties"]["resourceId"] != object_id("apiServicePrincipal")]
    yield from (f"{label(each)}: a role of the API is given on another app" for each in elsewhere)


def _job_roles(deployment: Deployment) -> list[str]:
    """The ids of the roles for applications."""
    declared = [role for app in deployment.of_type(APPS) for role in at(app, "properties.appRoles") or ()]
    return [role["id"] for role in declared if "Application" in role["allowedMemberTypes"]]


@deployment_rule()
def tenants(deployment: Deployment) -> Iterator[str]:
    """Other tenants may install the apps and call if they are listed, and this tenant is one of the list."""
    listed = deployment.parameters["allowedTenants"]
    audience = "AzureADMultipleOrgs" if listed else "AzureADMyOrg"
    for app in deployment.of_type(APPS):
        if at(app, "properties.signInAudience") not in (audience, None):
            yield f"{label(app)}: signInAudience must be {audience}"
    for service, settings in settings_by_service(deployment).items():
        allowed = settings.get("AzureAd__AllowedTenants", "").split()
        wanted = [TENANT, *listed] if listed and listed != ["any"] else listed
        if allowed != wanted or settings["AzureAd__TenantId"] != ("organizations" if listed else TENANT):
            yield f"{service}: AzureAd__TenantId and AzureAd__AllowedTenants do not say {wanted or TENANT}"


@deployment_rule()
def addresses(deployment: Deployment) -> Iterator[str]:
    """An address of the API is one string in four places: what a person types, metadata, scopes, identifier URI.

    Entra refuses a client whose `resource` is no identifier URI of the app whose scopes it asks for (AADSTS9010010).
    """
    settings = settings_by_service(deployment)["api"]
    try:
        found = Settings.from_environ(settings)
    except SettingsError:
        return  # said by the rule for settings
    documents = [metadata(found, url) for url in found.public_urls]
    named = [document["resource"] for document in documents]
    typed = deployment.outputs["MCP_URL"]
    if typed != (named[0] if named else ""):
        yield f"{MAIN}: MCP_URL is {typed!r}, and the first address in AzureAd__PublicUrls is {named[:1]}"
    for document in documents:
        prefixes = {scope.rpartition("/")[0] for scope in document.get("scopes_supported", ())}
        if prefixes != {document["resource"]}:
            yield f"api: the scopes of {document['resource']} must begin with it, and begin with {sorted(prefixes)}"
    for address in deployment.parameters["publicUrls"]:
        if address not in named:
            yield f"api: AzureAd__PublicUrls lacks {address} of publicUrls"
    uris = _identifier_uris(deployment)
    if uris is not None and uris != named:
        yield f"the identifier URIs of the API are {uris}, and AzureAd__PublicUrls are {named}: they must be the same"
    host = next(site["name"] for site in deployment.of_type("Microsoft.Web/sites") if service_of(site) == "api")
    for address in (address for address in named if address not in deployment.parameters["publicUrls"]):
        if urlsplit(address).hostname != f"{host}.azurewebsites.net":
            yield f"api: nothing of this deployment is at {address}"
        if deployment.parameters["allowedTenants"]:
            yield f"an identifier URI of an app for several tenants must be in a domain of the tenant, not {address}"


def _identifier_uris(deployment: Deployment) -> list[str] | None:
    """Those of the API that are addresses. None if somebody else has registered it."""
    for app in deployment.of_type(APPS):
        if at(app, "properties.uniqueName").startswith("api-") and at(app, "properties.identifierUris"):
            return [uri for uri in at(app, "properties.identifierUris") if not uri.startswith("api://")]
    return None


@deployment_rule()
def copilot(deployment: Deployment) -> Iterator[str]:
    """Microsoft 365 Copilot may call if it was asked for: registered, with its consent page, and in the setting."""
    client = deployment.parameters["copilotClientId"]
    setting = settings_by_service(deployment)["api"].get("AzureAd__ConsentPromptClients", "")
    if setting != client:
        yield f"api: AzureAd__ConsentPromptClients must be {client!r} and is {setting!r}"
    for app in deployment.of_type(APPS):
        if not at(app, "properties.uniqueName").startswith("api-"):
            continue
        pages = at(app, "properties.web.redirectUris")
        if pages is not None and pages != ([COPILOTS_PAGE] if client else None):
            yield f"{label(app)}: the redirect URIs for the web are {pages}"
        callers = at(app, "properties.api.preAuthorizedApplications")
        if client and callers is not None and client not in [caller["appId"] for caller in callers]:
            yield f"{label(app)}: {client} must be pre-authorized"
    declared = [at(app, "properties.web.redirectUris") for app in deployment.of_type(APPS)]
    if client and declared and [COPILOTS_PAGE] not in declared:
        yield f"{COPILOTS_PAGE} must be a redirect URI of the API"


@deployment_rule()
def owners(deployment: Deployment) -> Iterator[str]:
    """Each given owner owns each app and each service principal."""
    wanted = deployment.parameters["registrationOwnerIds"] or None
    declared_again = {
        at(app, "properties.uniqueName") for app in deployment.of_type(APPS) if at(app, "properties.owners")
    }
    for resource in [*deployment.of_type(APPS), *deployment.of_type(PRINCIPALS)]:
        again = resource["properties"].get("uniqueName") in declared_again
        if at(resource, "properties.owners.relationships") != wanted and not again:
            yield f"{label(resource)}: its owners must be {wanted}"
