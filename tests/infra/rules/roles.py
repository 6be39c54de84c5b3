"""Who may do what in Azure: the role assignments of the design, written so that they can be deployed twice."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from tests.infra.open_values import principal_id
from tests.infra.project import Deployment, Project, Resource, at, label
from tests.infra.rules import deployment_rule, project_rule
from tests.infra.rules.templates import modules

TYPE = "Microsoft.Authorization/roleAssignments"
POLICY_TYPE = "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments"
IDENTITY_TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "a4417e6f-fecd-4de8-b567-7b0420556985": "Key Vault Certificates Officer",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
}
TOO_STRONG = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
GUID_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # that of the function guid() of ARM and Bicep


class Grant(NamedTuple):
    """One role assignment, in the words of docs/security.md."""

    identity: str
    role: str
    scope: str


APP_INSIGHTS, VAULT, CACHE = "Application Insights", "the vault", "the token cache"
SECRET, KEY = "the secret of the certificate", "the key of the certificate"
ALWAYS = {
    Grant("id-api", "Monitoring Metrics Publisher", APP_INSIGHTS),
    Grant("id-orders", "Monitoring Metrics Publisher", APP_INSIGHTS),  # <orders/>
    Grant("id-api", "Storage Blob Data Owner", "storage of the API"),
    Grant("id-orders", "Storage Blob Data Owner", "storage of Orders"),  # <orders/>
}
STORAGES = {
    "stapi": "storage of the API",
    "storders": "storage of Orders",  # <orders/>
}
WITH_TOKEN_CACHE = {Grant("id-api", "access policy default", CACHE)}
WITH_CERTIFICATE = {
    Grant("id-api", "Key Vault Secrets User", VAULT),
    Grant("id-certificate", "Key Vault Certificates Officer", VAULT),
}
WITH_EXISTING_VAULT = {Grant("id-api", "Key Vault Secrets User", SECRET)}
WITH_VAULT_KEY = {
    Grant("id-api", "Key Vault Crypto User", VAULT),
    Grant("id-api", "Key Vault Reader", VAULT),
    Grant("id-certificate", "Key Vault Certificates Officer", VAULT),
}
WITH_KEY_OF_EXISTING_VAULT = {
    Grant("id-api", "Key Vault Crypto User", KEY),
    Grant("id-api", "Key Vault Reader", VAULT),
}
OF_VAULTS = {
    ("certificate", False): WITH_CERTIFICATE,
    ("certificate", True): WITH_EXISTING_VAULT,
    ("vaultKey", False): WITH_VAULT_KEY,
    ("vaultKey", True): WITH_KEY_OF_EXISTING_VAULT,
}
"""By the credential, and whether the vault is somebody else's."""


def wanted(deployment: Deployment) -> set[Grant]:
    """The design: the grants that the parameters call for."""
    given = deployment.parameters
    of_vault = OF_VAULTS.get((given["clientCredential"], bool(given["existingVaultId"])), set())
    return ALWAYS | of_vault | (WITH_TOKEN_CACHE if given["sharedTokenCache"] else set())


@deployment_rule()
def needed(deployment: Deployment) -> Iterator[str]:
    """What the design grants is granted, once; nothing else on vault and cache; no role too strong."""
    given, design = grants(deployment), wanted(deployment)
    yield from (f"granted twice: {show(grant)}" for grant in sorted(set(given)) if given.count(grant) > 1)
    yield from (f"in the design but not in the Bicep: {show(grant)}" for grant in sorted(design - set(given)))
    for grant in sorted(set(given) - design):
        if grant.scope in (VAULT, SECRET, KEY, CACHE):
            yield f"not in the design: {show(grant)}; {grant.scope} holds secrets and has no room for others"
        if grant.role in TOO_STRONG.values():
            yield f"{show(grant)}: the role is stronger than anything an app needs"


@deployment_rule(makers=True)
def no_others(deployment: Deployment) -> Iterator[str]:
    """The template grants nothing beyond the design."""
    yield from (f"not in the design: {show(each)}" for each in sorted(set(grants(deployment)) - wanted(deployment)))


@deployment_rule()
def written(deployment: Deployment) -> Iterator[str]:
    """Each assignment is for a managed identity, by its type, on one resource."""
    for resource in deployment.of_type(TYPE):
        kind = at(resource, "properties.principalType")
        if kind is None:
            yield f"{label(resource)}: has no principalType: Azure would look up a new identity too early, and fail"
        elif kind != "ServicePrincipal":
            yield f"{label(resource)}: has a principalType that no managed identity has; it is ServicePrincipal"
        if re.fullmatch(r"/subscriptions/[^/]+(/resourceGroups/[^/]+)?", _scope_id(resource)):
            yield f"{label(resource)}: has no scope: the role would cover the whole resource group"


@deployment_rule(makers=True)
def named(deployment: Deployment) -> Iterator[str]:
    """The name is guid() of scope, identity and role: one per grant, the same each time, and known before."""
    identities = {principal_id(each["name"]): each["id"] for each in deployment.of_type(IDENTITY_TYPE)}
    for resource in deployment.of_type(TYPE):
        role = str(at(resource, "properties.roleDefinitionId"))
        principal = identities.get(at(resource, "properties.principalId"), "")
        parts = (_scope_id(resource), principal, role.rpartition("/")[2])
        names = {str(uuid.uuid5(GUID_NAMESPACE, "-".join(each))) for each in itertools.permutations(parts)}
        if resource["name"] not in names:
            yield (
                f"{label(resource)}: its name does not cover the scope, the principal and the role: "
                "guid(scope.id, identity.id, role)"
            )


@project_rule(makers=True)
def variables(project: Project) -> Iterator[str]:
    """A variable that holds the id of a role has the role's name."""
    for where, template in modules(project.template):
        for name, value in template.get("variables", {}).items():
            role = ROLES.get(value if isinstance(value, str) else "")
            if role and name.lower() != role.replace(" ", "").lower():
                yield f"{where}: {name} holds the id of the role {role}"


def show(grant: Grant) -> str:
    """One grant, for a message."""
    return f"{grant.identity} is {grant.role} on {grant.scope}"


def grants(deployment: Deployment) -> list[Grant]:
    """All role assignments of a deployment, and what Redis has in their place: access policies."""
    identities = {principal_id(each["name"]): each["name"] for each in deployment.of_type(IDENTITY_TYPE)}
    found = []
    for resource in deployment.of_type(TYPE):
        who = identities.get(at(resource, "properties.principalId"), "somebody")
        role = str(at(resource, "properties.roleDefinitionId")).rpartition("/")[2]
        name = ROLES.get(role) or TOO_STRONG.get(role) or f"the unknown role {role}"
        found.append(Grant(_identity(who), name, _scope(_scope_id(resource))))
    for resource in deployment.of_type(POLICY_TYPE):
        who = identities.get(at(resource, "properties.user.objectId"), "somebody")
        found.append(Grant(_identity(who), f"access policy {at(resource, 'properties.accessPolicyName')}", CACHE))
    return found


def _identity(name: str) -> str:
    """`id-api` of `id-api-7hqx…`: the name without what makes it unique."""
    return re.sub(r"^(id-[a-z]+)-.*$", r"\1", name)


def _scope_id(resource: Resource) -> str:
    """The id of the resource that an assignment is on: what comes before it in its own id."""
    return str(resource["id"]).rpartition(f"/providers/{TYPE}/")[0]


def _scope(resource_id: str) -> str:
    kind, _, name = resource_id.rpartition("/providers/")[2].rpartition("/")
    if re.fullmatch(r"Microsoft\.KeyVault/vaults/[^/]+/secrets", kind):
        return SECRET
    if re.fullmatch(r"Microsoft\.KeyVault/vaults/[^/]+/keys", kind):
        return KEY
    match kind:
        case "Microsoft.KeyVault/vaults":
            return VAULT
        case "Microsoft.Insights/components":
            return APP_INSIGHTS
        case "Microsoft.Storage/storageAccounts":
            return next((words for start, words in STORAGES.items() if name.startswith(start)), f"storage {name}")
    return kind or "the whole resource group"
