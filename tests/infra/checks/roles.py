"""Who may do what: exactly the role assignments of the design, written so that they can be deployed twice.

docs/security.md shows them to people; the check keeps its table equal to the Bicep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.infra.evaluator import VARIANTS, Deployed, Deployment, deploy
from tests.infra.expressions import Call, Expr, Member, Name, Object, Text
from tests.infra.project import Project
from tests.infra.reader import Resource

TYPE = "Microsoft.Authorization/roleAssignments"
POLICY_TYPE = "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments"
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "a4417e6f-fecd-4de8-b567-7b0420556985": "Key Vault Certificates Officer",
}
PRINCIPAL_TYPES = ("ServicePrincipal",)  # of managed identities; people and groups get nothing here
GRAPH = "00000003-0000-0000-c000-000000000000"
REGISTRATIONS = {"client": "client", "api": "API", "orders": "Orders"}  # by the beginning of the unique name
GRAPH_SCOPES = {"e1fe6dd8-ba31-4d61-89e7-88639da4683d": "User.Read"}


class Grant(NamedTuple):
    """One role assignment, in the words of docs/security.md."""

    identity: str
    role: str
    scope: str
    declared_in: str


ALWAYS = {
    Grant("id-api", "Monitoring Metrics Publisher", "Application Insights", "monitoring.bicep, publisherRoles"),
    Grant("id-orders", "Monitoring Metrics Publisher", "Application Insights", "monitoring.bicep, publisherRoles"),
    Grant("id-api", "Storage Blob Data Owner", "storage of the API", "function-app.bicep, storageRole"),
    Grant("id-orders", "Storage Blob Data Owner", "storage of Orders", "function-app.bicep, storageRole"),
}
WITH_TOKEN_CACHE = {
    Grant("id-api", "access policy default", "the token cache", "token-cache.bicep, writer"),
}
WITH_CERTIFICATE = {
    Grant("id-api", "Key Vault Secrets User", "the vault", "key-vault.bicep, readerRole"),
    Grant("id-certificate", "Key Vault Certificates Officer", "the vault", "client-certificate.bicep, officerRole"),
}


def problems(project: Project) -> list[str]:
    """The assignments as written, as evaluated, and as documented."""
    found = [
        f"{path}:{resource.line}: {resource.name} {what}"
        for path, file in project.files.items()
        for resource in file.all_resources
        if resource.type == TYPE
        for what in _written(resource)
    ]
    found += _role_variables(project)
    for name, parameters in VARIANTS.items():
        deployment = deploy(project, **parameters)
        wanted = ALWAYS | (WITH_CERTIFICATE if parameters["clientCredential"] == "certificate" else set())
        wanted |= WITH_TOKEN_CACHE if parameters.get("sharedTokenCache") else set()
        given = grants(deployment)
        for grant in given:
            if given.count(grant) > 1:
                found.append(f"{name}: granted twice: {show(grant)}")
        found += [f"{name}: not in the design: {show(grant)}" for grant in sorted(set(given) - wanted)]
        found += [f"{name}: in the design but not in the Bicep: {show(grant)}" for grant in sorted(wanted - set(given))]
        names = [resource.body.get("name") for resource in deployment.of_type(TYPE)]
        found += [f"{name}: two role assignments have one name" for each in set(names) if names.count(each) > 1]
    return list(dict.fromkeys([*found, *_documented(project), *_documented_permissions(project)]))


def show(grant: Grant) -> str:
    return f"{grant.identity} is {grant.role} on {grant.scope} ({grant.declared_in})"


def grants(deployment: Deployment) -> list[Grant]:
    """All role assignments of a deployment, and what Redis has in their place: access policies."""
    principals = {
        identity.read(("properties", "principalId")): identity.name
        for identity in deployment.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
    }
    found = []
    for resource in deployment.of_type(TYPE):
        properties = resource.body.get("properties", {})
        role = str(properties.get("roleDefinitionId")).rpartition("/")[2]
        scope = resource.body.get("scope")
        found.append(
            Grant(
                _identity(principals.get(properties.get("principalId"), "somebody")),
                ROLES.get(role, f"the unknown role {role}"),
                _scope(scope) if isinstance(scope, Deployed) else "the whole resource group",
                _declared_in(resource),
            )
        )
    for resource in deployment.of_type(POLICY_TYPE):
        properties = resource.body["properties"]
        who = _identity(principals.get(properties["user"]["objectId"], "somebody"))
        policy = f"access policy {properties['accessPolicyName']}"
        found.append(Grant(who, policy, "the token cache", _declared_in(resource)))
    return found


def _declared_in(resource: Deployed) -> str:
    return f"{resource.unit.path.removeprefix('infra/')}, {resource.declaration.name}"


def _identity(name: str) -> str:
    """`id-api` of `id-api-7hqx…`: the name without what makes it unique."""
    return re.sub(r"^(id-[a-z]+)-.*$", r"\1", name)


def _scope(resource: Deployed) -> str:
    match resource.type:
        case "Microsoft.KeyVault/vaults":
            return "the vault"
        case "Microsoft.Insights/components":
            return "Application Insights"
        case "Microsoft.Storage/storageAccounts":
            return "storage of Orders" if resource.name.startswith("storders") else "storage of the API"
    return resource.type


def _written(resource: Resource) -> Iterator[str]:
    """Each has a scope, a principal type, and a name made of scope, principal and role."""
    properties = resource.body.get("properties")
    if not isinstance(properties, Object):
        yield "has no properties"
        return
    scope, principal, role = (
        resource.body.get("scope"),
        properties.get("principalId"),
        properties.get("roleDefinitionId"),
    )
    kind = properties.get("principalType")
    if kind is None:
        yield "has no principalType: Azure would look a new identity up before it has spread, and fail"
    elif not isinstance(kind, Text) or kind.plain not in PRINCIPAL_TYPES:
        yield "has a principalType that no managed identity has; it is ServicePrincipal"
    if scope is None:
        yield "has no scope: the role would cover the whole resource group"
    role_id = role.arguments[-1] if isinstance(role, Call) and role.name == "subscriptionResourceId" else None
    if role_id is None:
        yield "must name its role by subscriptionResourceId('Microsoft.Authorization/roleDefinitions', …)"
    name = resource.body.get("name")
    if not isinstance(name, Call) or name.name != "guid":
        yield "must have a guid() as its name"
        return
    for what, wanted in {"scope": _id(scope), "role": role_id}.items():
        if wanted is not None and wanted not in name.arguments:
            yield f"has a name that does not cover the {what}"
    if principal is not None and not {principal, _owner(principal)} & set(name.arguments):
        yield "has a name that does not cover the principal"


def _id(expression: Expr | None) -> Expr | None:
    return Member(expression, "id") if expression else None


def _owner(expression: Expr) -> Expr | None:
    """`identity.id` for `identity.properties.principalId`."""
    match expression:
        case Member(target=Member(target=Name() as identity, name="properties"), name="principalId"):
            return Member(identity, "id")
    return None


def _role_variables(project: Project) -> Iterator[str]:
    """A variable that holds the id of a role has the role's name."""
    for path, file in project.files.items():
        for name, variable in file.variables.items():
            role = ROLES.get((variable.value.plain or "") if isinstance(variable.value, Text) else "")
            if role and name.lower() != role.replace(" ", "").lower():
                yield f"{path}:{variable.line}: {name} holds the id of the role {role}"


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading; without the head, links and backticks."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).replace("`", "") for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in plain]


def _documented(project: Project) -> Iterator[str]:
    text = project.texts.get("docs/security.md")
    if text is None:
        return
    said = [Grant(*row) for row in rows(text, "Who may do what in Azure") if len(row) == len(Grant._fields)]
    always = set(grants(deploy(project, **VARIANTS["managedIdentity"])))
    actual = {
        each if each in always else each._replace(scope=f"{each.scope} (certificate only)")
        for each in grants(deploy(project, **VARIANTS["certificate"]))
    }
    options_on = set(grants(deploy(project, **VARIANTS["managedIdentity, everything on"])))
    actual |= {each._replace(scope=f"{each.scope} (sharedTokenCache only)") for each in options_on - always}
    yield from (f"docs/security.md does not say: {show(grant)}" for grant in sorted(actual - set(said)))
    yield from (f"docs/security.md says what the Bicep does not: {show(grant)}" for grant in sorted(set(said) - actual))
    yield from (f"docs/security.md says twice: {show(grant)}" for grant in set(said) if said.count(grant) > 1)


def permissions(deployment: Deployment) -> set[tuple[str, str, str]]:
    """Who may get tokens for what, with which permissions, by the app registrations."""
    apps = {app.read(("appId",)): app for app in deployment.of_type("Microsoft.Graph/applications")}
    scopes = {
        scope["id"]: scope["value"]
        for app in apps.values()
        for scope in app.body.get("api", {}).get("oauth2PermissionScopes", ())
    } | GRAPH_SCOPES
    labels = {app_id: REGISTRATIONS[app.name.split("-")[0]] for app_id, app in apps.items()}
    found = set()
    for app in deployment.of_type("Microsoft.Graph/applications"):
        for caller in app.body.get("api", {}).get("preAuthorizedApplications", ()):
            who = labels.get(caller["appId"], "developer tools")
            names = ", ".join(scopes.get(each, each) for each in caller["delegatedPermissionIds"])
            found.add((who, labels[app.read(("appId",))], names))
        for access in app.body.get("requiredResourceAccess", ()):
            if access["resourceAppId"] == GRAPH:
                names = ", ".join(scopes.get(each["id"], each["id"]) for each in access["resourceAccess"])
                found.add((labels[app.read(("appId",))], "Microsoft Graph", names))
            if any(each["type"] != "Scope" for each in access["resourceAccess"]):
                found.add((labels[app.read(("appId",))], access["resourceAppId"], "an application permission"))
    return found


def _documented_permissions(project: Project) -> Iterator[str]:
    text = project.texts.get("docs/security.md")
    if text is None:
        return
    table = rows(text, "Who may do what in Entra")
    said = {(row[0].partition(" (")[0], row[1], row[2]) for row in table if len(row) > 2}
    actual = permissions(deploy(project, **VARIANTS["certificate, everything on"]))
    for who, api, what in sorted(actual - said):
        yield f"docs/security.md does not say: {who} may get tokens for {api} with {what}"
    for who, api, what in sorted(said - actual):
        yield f"docs/security.md says what the Bicep does not: {who} may get tokens for {api} with {what}"
