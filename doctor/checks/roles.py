"""The roles of the API's identity in Azure: those that infra/ assigns, or stronger ones.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ..case import Case
from ..settings import Credential
from ..verdicts import CannotTellError, Findings, Wrong, command, correct, nearest


class Role(NamedTuple):
    """A built-in role that is enough, and ids of other built-in roles that are enough as well."""

    name: str
    id: str
    also: tuple[str, ...] = ()


SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
CERTIFICATES_OFFICER = "a4417e6f-fecd-4de8-b567-7b0420556985"
CERTIFICATE_USER = "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba"
CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
SECRETS_USER = Role(
    "Key Vault Secrets User",
    "4633458b-17de-408a-b874-0445c86b69e6",
    (CERTIFICATE_USER, SECRETS_OFFICER, VAULT_ADMINISTRATOR),
)
CRYPTO_USER = Role(
    "Key Vault Crypto User", "12338af0-0e69-4776-bea7-57ae8d297424", (CRYPTO_OFFICER, VAULT_ADMINISTRATOR)
)
VAULT_READER = Role(
    "Key Vault Reader",
    "21090545-7ca7-4776-b22c-e363652d74d2",
    (CERTIFICATES_OFFICER, CERTIFICATE_USER, VAULT_ADMINISTRATOR),
)
BLOB_OWNER = Role("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b")
METRICS_PUBLISHER = Role("Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb")
WITHOUT_DATA = frozenset(
    (
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",  # Owner
        "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",  # Reader
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",  # User Access Administrator
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",  # Role Based Access Control Administrator
    )
)
"""Built-in roles that allow nothing with data, however strong they are otherwise."""
OF_VAULT: Mapping[str, tuple[tuple[Role, str], ...]] = {
    "KeyVault": ((SECRETS_USER, "/secrets/{name}"),),
    "SignedAssertionFromVault": ((CRYPTO_USER, "/keys/{name}"), (VAULT_READER, "")),
}
"""By the kind of credential: the roles, and the part of the vault on which each is enough."""
ACCESS_POLICY = "default"
VAULT_SETTING = "AzureAd__ClientCredentials__0__KeyVaultUrl"


def vault(case: Case) -> Findings:
    """The identity may read the certificate's secret, or sign with its key."""
    credential = case.credential
    needed = OF_VAULT.get(credential.source_type, ()) if credential else ()
    if not needed or credential is None:
        yield "not used: the credential is not in a vault"
        return
    path = _vault_path(case)
    for role, part in needed:
        scope = path + part.format(name=quote(credential.certificate, safe=""))
        for one in _holds(case, role, scope, path):
            absent = _absent(case, path, credential) if isinstance(one, Wrong) else None
            yield absent or one
            if absent:
                return


def _absent(case: Case, path: str, credential: Credential) -> Wrong | None:
    """What is wrong if there is no such vault: no role can be given on it."""
    if case.resource(path) is not None:
        return None
    group, _, name = path.rpartition("/")
    given = case.given.text("KEY_VAULT_ID").rstrip("/").rpartition("/")[2]
    listed = {given, *(str(one.get("name")) for one in case.resources(group))} - {"", name}
    near, domain = nearest(name, listed), (urlsplit(credential.vault_url).hostname or "").partition(".")[2]
    first = correct(VAULT_SETTING, f"https://{near}.{domain}/" if near else "")
    what = f"there is no vault {name} in the resource group {group.split('/')[4]}"
    if case.given.text("AZURE_ENV_NAME"):
        return Wrong(what, "azd provision", first)
    if given.lower() == name.lower():
        return Wrong(what, "", first)
    if not near:
        raise CannotTellError(what, f"KEY_VAULT_ID in --env-file, if the vault is in another group. Or {first}")
    return Wrong(f"{what} (KEY_VAULT_ID in --env-file names a vault of another group)", "", first)


def storage(case: Case) -> Findings:
    """The identity owns the data of the storage that the host keeps its leases and the package in."""
    deployment = ((case.site.get("properties") or {}).get("functionAppConfig") or {}).get("deployment") or {}
    address = str((deployment.get("storage") or {}).get("value") or "")
    account = (urlsplit(address).hostname or "").partition(".")[0]
    if not account:
        raise CannotTellError("the site names no storage for its package", "a site on Flex Consumption")
    scope = f"{case.group}/providers/Microsoft.Storage/storageAccounts/{quote(account, safe='')}"
    yield from _holds(case, BLOB_OWNER, scope)


def insights(case: Case) -> Findings:
    """The identity may send telemetry."""
    found = case.resources(f"{case.group}/providers/Microsoft.Insights/components")
    if not found:
        raise CannotTellError("the resource group has no Application Insights", "the resource group that has it")
    scopes = [str(one["id"]) for one in found]
    held = [scope for scope in scopes if METRICS_PUBLISHER.id in case.roles_at(scope, case.identity)]
    if not held:
        yield from _holds(case, METRICS_PUBLISHER, scopes[0])


def redis(case: Case) -> Findings:
    """The identity may read and write the shared token cache."""
    host = case.settings.redis_host
    if not host:
        yield "not used: no identity signs in to a shared token cache"
        return
    cache = f"{case.group}/providers/Microsoft.Cache/redisEnterprise/{quote(host.partition('.')[0], safe='')}"
    assigned = case.resources(f"{cache}/databases/default/accessPolicyAssignments")
    users = {((one.get("properties") or {}).get("user") or {}).get("objectId") for one in assigned}
    principal = case.identity_named(case.settings.redis_identity)
    if principal not in users:
        add = command(
            *("az", "redisenterprise", "database", "access-policy-assignment", "create"),
            *("--resource-group", case.given.text("AZURE_RESOURCE_GROUP"), "--cluster-name", host.partition(".")[0]),
            *("--database-name", "default", "--access-policy-assignment-name", "api"),
            *("--access-policy-name", ACCESS_POLICY, "--object-id", principal),
        )
        yield Wrong("the identity has no access policy on the cache of the shared tokens", add)


def _vault_path(case: Case) -> str:
    """KEY_VAULT_ID, or the vault of that name in the resource group."""
    given = case.given.text("KEY_VAULT_ID").rstrip("/")
    credential = case.credential
    name = (urlsplit(credential.vault_url).hostname or "").partition(".")[0] if credential else ""
    if given and given.rpartition("/")[2].lower() == name.lower():
        return given
    return f"{case.group}/providers/Microsoft.KeyVault/vaults/{quote(name, safe='')}"


def _holds(case: Case, role: Role, scope: str, where: str = "") -> Findings:
    """The identity holds the role, or one that is enough as well. `where`: what to assign it on, if not on `scope`."""
    principal = case.identity
    held = case.roles_at(scope, principal)
    if held & {role.id, *role.also}:
        yield role.name
        return
    target = where or scope
    grant = command(
        *("az", "role", "assignment", "create", "--role", role.name, "--assignee-object-id", principal),
        *("--assignee-principal-type", "ServicePrincipal", "--scope", target),
    )
    others = held - WITHOUT_DATA - _KNOWN
    if others:
        raise CannotTellError(
            f"the identity has other roles there ({', '.join(sorted(others))}), and not {role.name}",
            f"a look at what these allow; otherwise: {grant}",
        )
    yield Wrong(f"the identity of the API is not {role.name} on {target.rpartition('/')[2]}", grant)


_KNOWN = frozenset(
    one
    for role in (SECRETS_USER, CRYPTO_USER, VAULT_READER, BLOB_OWNER, METRICS_PUBLISHER)
    for one in (role.id, *role.also)
)
"""Built-in roles whose rights are known. One of them that is not enough is no role of the user's own making."""
