"""Keys are off, transport is TLS 1.2, the vault is recoverable, CORS is by request, outputs hold no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from client.errors import SettingsError
from client.settings import Settings as ClientSettings
from tests.infra.checks.flex import at
from tests.infra.evaluator import VARIANTS, Deployment, deploy
from tests.infra.expressions import Call, Member, walk
from tests.infra.project import Project

MAIN = "infra/main.bicep"
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
    "Microsoft.Graph/applications": {"passwordCredentials": None},
}
OUTPUTS = (
    "AZURE_FUNCTION_NAME",
    "AZURE_ORDERS_FUNCTION_NAME",
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
SECRET_VALUE = re.compile(r"AccountKey=|SharedAccessSignature|InstrumentationKey=|\bsig=|-----BEGIN", re.IGNORECASE)
LISTS_SECRETS = re.compile(r"^(list[A-Z]\w*|getSecret|reference|newGuid)$")


def problems(project: Project) -> list[str]:
    """As written for calls that read keys; as evaluated, in every variant, for the rest."""
    found = list(_reads_keys(project))
    for name, parameters in VARIANTS.items():
        deployment = deploy(project, **parameters)
        found += [f"{what} ({name})" for what in (*_wanted(deployment), *_outputs(deployment))]
        found += [f"{what} ({name})" for what in _vault(deployment, protected=parameters.get("purgeProtection", False))]
        found += [f"{what} ({name})" for what in _origins(deployment, parameters.get("browserOrigins", []))]
    return found


def _wanted(deployment: Deployment) -> Iterator[str]:
    for kind, wanted in WANTED.items():
        for resource in deployment.of_type(kind):
            for path, value in wanted.items():
                given = at(resource.body, path)
                if given != value:
                    yield f"{resource.where}: {path} must be {value!r} and is {given!r}"


def _vault(deployment: Deployment, *, protected: bool) -> Iterator[str]:
    for vault in deployment.of_type("Microsoft.KeyVault/vaults"):
        given = at(vault.body, "properties.enablePurgeProtection")
        if given is not (True if protected else None):
            yield f"{vault.where}: enablePurgeProtection is {given} with purgeProtection {protected}"
        days = at(vault.body, "properties.softDeleteRetentionInDays")
        if days != 7:
            yield f"{vault.where}: softDeleteRetentionInDays is {days}; it is 7 for good, as it cannot be changed"


def _origins(deployment: Deployment, given: list[str]) -> Iterator[str]:
    """CORS has what was asked for and on the API alone; the client's redirect URIs likewise."""
    allowed: list[Any] = []
    for site in deployment.of_type("Microsoft.Web/sites"):
        origins = at(site.body, "properties.siteConfig.cors.allowedOrigins") or []
        allowed += origins
        if "*" in origins or set(origins) - set(given):
            yield f"{site.where}: lets {origins} in through CORS; given were {given}"
    if set(given) - set(allowed):
        yield f"no site lets {given} in through CORS"
    for app in deployment.of_type("Microsoft.Graph/applications"):
        for kind in ("web", "spa", "publicClient"):
            for uri in (app.body.get(kind) or {}).get("redirectUris", ()):
                if not uri.startswith("https://") and uri != "http://localhost":
                    yield f"{app.where}: the redirect URI {uri} is no https address"


def _outputs(deployment: Deployment) -> Iterator[str]:
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
        if not client.api_base_url.endswith("/api"):
            yield f"{MAIN}: API_BASE_URL must end in /api, the route prefix of host.json"


def _reads_keys(project: Project) -> Iterator[str]:
    """A key that is never read cannot get into a setting, an output or the history of deployments."""
    for path, file in project.files.items():
        for declaration in file.declarations:
            for expression in declaration.expressions:
                for each in walk(expression):
                    name = each.name if isinstance(each, (Call, Member)) else ""
                    if isinstance(each, Call) and LISTS_SECRETS.match(name):
                        yield f"{path}:{each.line}: {declaration.name} calls {name}(), which reads keys"
                    if isinstance(each, Member) and name in ("InstrumentationKey", "primarySharedKey", "primaryKey"):
                        yield f"{path}:{each.line}: {declaration.name} reads {name}"
        for output in file.outputs.values():
            if re.search(r"secret|password|key$", output.name, re.IGNORECASE):
                yield f"{path}:{output.line}: the output {output.name} looks like a secret"
