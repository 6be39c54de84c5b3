"""Keys are off, TLS is 1.2, the vault is recoverable, CORS is an option, and outputs hold no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from client.errors import SettingsError
from client.settings import Settings as ClientSettings
from tests.infra.project import MAIN, Deployment, Project, at, label, leaves
from tests.infra.rules import deployment_rule, project_rule
from tests.infra.rules.templates import modules

WANTED: dict[str, dict[str, object]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.allowBlobPublicAccess": False,
        "properties.allowCrossTenantReplication": False,
        "properties.defaultToOAuthAuthentication": True,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
    },
    "Microsoft.Insights/components": {"properties.DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enableSoftDelete": True,
        "properties.accessPolicies": None,
    },
    "Microsoft.Cache/redisEnterprise": {"properties.minimumTlsVersion": "1.2"},
    "Microsoft.Cache/redisEnterprise/databases": {
        "properties.accessKeysAuthentication": "Disabled",
        "properties.clientProtocol": "Encrypted",
        "properties.evictionPolicy": "VolatileLRU",
    },
    "Microsoft.Web/sites": {
        "properties.httpsOnly": True,
        "properties.siteConfig.minTlsVersion": "1.2",
        "properties.siteConfig.http20Enabled": True,
        "identity.type": "UserAssigned",
    },
    "Microsoft.Graph/applications": {"properties.passwordCredentials": None},
}
OUTPUTS = (
    "AZURE_FUNCTION_NAME",
    "AZURE_ORDERS_FUNCTION_NAME",  # <orders/>
    "API_BASE_URL",
    "API_CLIENT_ID",
    "API_SCOPE",
    "CLIENT_APP_ID",
    "TENANT_ID",
    "KEY_VAULT_NAME",
    "ADMIN_CONSENT_URL",
)
NOT_AN_OUTPUT = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")  # azure-identity would take them from azd's .env
SECRET = re.compile(r"secret|password|connection_?string|sas|account_?key|access_?key|certificate|token", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"AccountKey=|SharedAccessSignature|InstrumentationKey=|\bsig=|-----BEGIN (?!CERTIFICATE)", re.IGNORECASE
)
LOOPBACK = re.compile(
    r"http://(localhost|127\.0\.0\.1)(/[\w/-]*)?"
)  # a program on the machine of the user listens there
READS_KEYS = re.compile(r"\b(list[A-Z]\w*|getSecret|newGuid)\(|\.(InstrumentationKey|primarySharedKey|primaryKey)\b")


@deployment_rule()
def wanted(deployment: Deployment) -> Iterator[str]:
    """Every resource of these types has these properties."""
    for kind, properties in WANTED.items():
        for resource in deployment.of_type(kind):
            for path, value in properties.items():
                given = at(resource, path)
                if given != value:
                    yield f"{label(resource)}: {path} must be {value!r} and is {given!r}"


@deployment_rule()
def vault(deployment: Deployment) -> Iterator[str]:
    """A vault has purge protection when it was asked for, and never the value false, which Azure refuses."""
    protected = deployment.parameters["purgeProtection"]
    for resource in deployment.of_type("Microsoft.KeyVault/vaults"):
        given = at(resource, "properties.enablePurgeProtection")
        if given is not (True if protected else None):
            yield f"{label(resource)}: enablePurgeProtection is {given} with purgeProtection {protected}"
        days = at(resource, "properties.softDeleteRetentionInDays")
        if days != 7:
            yield f"{label(resource)}: softDeleteRetentionInDays is {days}; it is 7 for good, as it cannot be changed"


@deployment_rule()
def origins(deployment: Deployment) -> Iterator[str]:
    """CORS allows only the given origins, and redirect URIs are https."""
    asked = deployment.parameters["browserOrigins"] if "browserOrigins" in deployment.given else []
    allowed: set[str] = set()
    for site in deployment.of_type("Microsoft.Web/sites"):
        found = at(site, "properties.siteConfig.cors.allowedOrigins") or []
        allowed |= set(found)
        if "*" in found or set(found) - set(asked):
            yield f"{label(site)}: lets {found} in through CORS; given were {asked}"
    if set(asked) - allowed:
        yield f"no site lets {asked} in through CORS"
    for app in deployment.of_type("Microsoft.Graph/applications"):
        for kind in ("web", "spa", "publicClient"):
            for uri in at(app, f"properties.{kind}.redirectUris") or ():
                if not uri.startswith("https://") and not (kind == "publicClient" and LOOPBACK.fullmatch(uri)):
                    yield f"{label(app)}: the redirect URI {uri} is no https address"


@deployment_rule()
def outputs(deployment: Deployment) -> Iterator[str]:
    """azd writes outputs to its .env in the clear. They are those that hooks and the client need, and no secret."""
    for name in OUTPUTS:
        if name not in deployment.outputs:
            yield f"{MAIN}: the output {name} is missing"
    for name, value in deployment.outputs.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", name):
            yield f"{MAIN}: the output {name} is not in SCREAMING_CASE"
        if name in NOT_AN_OUTPUT:
            yield f"{MAIN}: the output {name} is azure-identity's own name"
        if SECRET.search(name) or SECRET_VALUE.search(str(value)):
            yield f"{MAIN}: the output {name} looks like a secret, and azd writes it to its .env in clear"
    try:
        client = ClientSettings.from_environ({name: str(value) for name, value in deployment.outputs.items()})
    except SettingsError as error:
        yield f"{MAIN}: the client refuses the outputs: {error}"
    else:
        path, prefix = urlsplit(client.api_base_url).path, route_prefix(deployment.texts["host.json"])
        if path != (f"/{prefix}" if prefix else ""):
            yield f"{MAIN}: API_BASE_URL must end in {prefix!r}, the route prefix of host.json, not in {path!r}"


def route_prefix(host_json: str) -> str:
    """`extensions.http.routePrefix` of host.json, or Azure's default."""
    prefix: str = json.loads(host_json).get("extensions", {}).get("http", {}).get("routePrefix", "api")
    return prefix


@project_rule()
def no_key_in_an_output(project: Project) -> Iterator[str]:
    """No output reads a key, and none of a module has the name of a secret."""
    for where, template in modules(project.template):
        for name, output in template.get("outputs", {}).items():
            if any(READS_KEYS.search(str(value)) for _, value in leaves(output.get("value"))):
                yield f"{where}: the output {name} reads a key: {output['value']}"
            if where != "main" and re.search(r"secret|password|key$", name, re.IGNORECASE):
                yield f"{where}: the output {name} looks like a secret"


@project_rule(makers=True)
def no_key_at_all(project: Project) -> Iterator[str]:
    """A key that is never read cannot get into a setting or the history of deployments."""
    for path, value in leaves(project.template):
        if isinstance(value, str) and value.startswith("[") and READS_KEYS.search(value):
            yield f"{path[1:]} reads a key: {value}"
