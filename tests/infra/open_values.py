"""Values that only Azure knows: whole expressions that the compiler leaves open in a snapshot, and a value for each.

A snapshot holds `[reference('…/userAssignedIdentities/id-api-x', '2024-11-30').clientId]` where a deployment would have
a client id. Nothing is evaluated here: the table holds whole expressions. In the table, `<Microsoft.Web/sites>` means
the id of such a resource with its API version, and `<symbol>` means a name in the Bicep. The rule `open values`
reports an expression that is missing here. Then add a row.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

LOGIN = "https://login.microsoftonline.com/"
_NAMESPACE = uuid.UUID("c6a7e0f2-6f0e-4f0a-8c57-2f1d3b5a7c90")


def made_up_id(*parts: object) -> str:
    """A GUID that is always the same for the same parts."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))


def app_id(registration: str) -> str:
    """The client id of a registration, by the beginning of its unique name: `api`, `orders`, `client`."""
    return made_up_id("app", registration)


def object_id(registration: str) -> str:
    """The object id of a registration, by the beginning of its unique name."""
    return made_up_id("object", registration)


def client_id(identity: str) -> str:
    """The client id of a managed identity, by its name."""
    return made_up_id("client", identity)


def principal_id(identity: str) -> str:
    """The object id of the service principal of a managed identity, by its name."""
    return made_up_id("principal", identity)


def _registration(symbol: str) -> str:
    """`api` of `apiApp`: by convention a registration's unique name begins like its symbol."""
    return symbol.removesuffix("App")


def _certificates() -> list[dict[str, str]]:
    common = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": "MIIB"}
    return [{"displayName": f"Key Vault version {number:032x}", **common} for number in (2, 1)]


_IDENTITY = "<Microsoft.ManagedIdentity/userAssignedIdentities>"
_STORAGE = "<Microsoft.Storage/storageAccounts>"
_SITE = "<Microsoft.Web/sites>"
_ID = "reference('<symbol>').id"
_REDIS = "<Microsoft.Cache/redisEnterprise>"

_BASE_URL = f"format('https://{{0}}{{1}}', reference({_SITE}).defaultHostName, '<path>')"
TABLE: dict[str, Callable[..., Any]] = {
    f"reference({_IDENTITY}).clientId": client_id,
    f"reference({_IDENTITY}).principalId": principal_id,
    f"format('ClientId={{0}};Authorization=AAD', reference({_IDENTITY}).clientId)": lambda name: (
        f"ClientId={client_id(name)};Authorization=AAD"
    ),
    f"reference({_STORAGE}).primaryEndpoints.<symbol>": lambda name, service: (
        f"https://{name}.{service}.storage.example/"
    ),
    f"format('{{0}}{{1}}', reference({_STORAGE}).primaryEndpoints.blob, 'packages')": lambda name: (
        f"https://{name}.blob.storage.example/packages"
    ),
    "reference(<Microsoft.KeyVault/vaults>).vaultUri": lambda name: f"https://{name}.vault.azure.net/",
    "reference(<Microsoft.Insights/components>).ConnectionString": lambda name: (
        f"InstrumentationKey={made_up_id(name)};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
    ),
    _BASE_URL: lambda name, prefix: f"https://{name}.azurewebsites.net{prefix}",
    f"format('{{0}}<path>', {_BASE_URL})": lambda path, name, prefix: f"https://{name}.azurewebsites.net{prefix}{path}",
    f"format('rediss://{{0}}:{{1}}', reference({_REDIS}).hostName, 10000)": lambda name: (
        f"rediss://{name}.westeurope.redis.azure.net:10000"
    ),
    "reference('<symbol>').appId": lambda symbol: app_id(_registration(symbol)),
    "reference('<symbol>').id": lambda symbol: object_id(_registration(symbol)),
    f"join(createArray({', '.join(4 * [_ID])}), ' ')": (
        lambda *symbols: " ".join(object_id(_registration(symbol)) for symbol in symbols)
    ),
    "reference(<Microsoft.Resources/deploymentScripts>).outputs.pem": lambda name: (
        f"-----BEGIN CERTIFICATE-----{made_up_id(name)}-----END CERTIFICATE-----"
    ),
    f"format('{{0}}{{1}}/adminconsent?client_id={{2}}', '{LOGIN}', '<symbol>', reference('<symbol>').appId)": (
        lambda tenant, symbol: f"{LOGIN}{tenant}/adminconsent?client_id={app_id(_registration(symbol))}"
    ),
}
# What the compiler cannot follow at all, by the property that holds it.
UNKNOWN: dict[str, Callable[[], Any]] = {"keyCredentials": _certificates}


def _resource(found: re.Match[str]) -> str:
    return rf"'/subscriptions/[^']*/providers/{found[1]}/([^'/]+)', '[\d-]+(?:-preview)?'"


def _pattern(expression: str) -> re.Pattern[str]:
    escaped = re.sub(r"<([\w.\\]+/[\w./\\]+)>", _resource, re.escape(expression))
    return re.compile(r"\[" + escaped.replace("<symbol>", r"([\w\-]+)").replace("<path>", r"([\w\-/]*)") + r"\]")


_PATTERNS = [(_pattern(expression), value) for expression, value in TABLE.items()]


def is_open(value: object) -> bool:
    """Whether a value of a snapshot is an expression."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


def filled(value: Any, name: str = "") -> Any:
    """A value of a snapshot with what stands in the table in place of its expressions; the rest stays open.

    `name` is the property that holds the value.
    """
    if isinstance(value, dict):
        return {key: filled(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if not is_open(value):
        return value
    if value == "[unknown()]" and name in UNKNOWN:
        return UNKNOWN[name]()
    for pattern, made in _PATTERNS:
        found = pattern.fullmatch(value)
        if found:
            return made(*found.groups())
    return value
