"""docs/security.md says who may do what, in Azure and in Entra: exactly what the Bicep says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.infra.open_values import app_id
from tests.infra.project import Deployment, Project, at
from tests.infra.rules import project_rule
from tests.infra.rules.roles import Grant, grants, show

SECURITY = "docs/security.md"
GRAPH = "00000003-0000-0000-c000-000000000000"
REGISTRATIONS = {  # by the beginning of the unique name
    "client": "client",
    "mcp": "MCP client",
    "api": "API",
    "orders": "Orders",  # <orders/>
}
GRAPH_SCOPES = {"e1fe6dd8-ba31-4d61-89e7-88639da4683d": "User.Read"}


@project_rule(makers=True)
def azure(project: Project) -> Iterator[str]:
    """The table of role assignments: one row for each, with the file and the symbol that make it."""
    said = [row for row in rows(project.texts[SECURITY], "Who may do what in Azure") if len(row) == 4]
    documented = [Grant(*row[:3]) for row in said]
    actual = _grants_with_conditions(project)
    yield from (f"{SECURITY} does not say: {show(grant)}" for grant in sorted(actual - set(documented)))
    yield from (f"{SECURITY} says what the Bicep does not: {show(each)}" for each in sorted(set(documented) - actual))
    yield from (
        f"{SECURITY} says twice: {show(each)}" for each in sorted(set(documented)) if documented.count(each) > 1
    )
    for *_, place in said:
        file, _, symbol = place.partition(", ")
        declaration = rf"resource {symbol} '(Microsoft.Authorization/roleAssignments@[\d-]+|accessPolicyAssignments)'"
        if not re.search(declaration, project.texts.get(f"infra/{file}", "")):
            yield f"{SECURITY}: no right is granted by {symbol} in infra/{file}"


@project_rule(makers=True)
def entra(project: Project) -> Iterator[str]:
    """The table of permissions: who may get tokens for what."""
    table = rows(project.texts[SECURITY], "Who may do what in Entra")
    said = {(row[0].partition(" (")[0], row[1], row[2]) for row in table if len(row) == 4}
    actual = permissions(project.deployment("certificate-everything-on"))
    for who, api, what in sorted(actual - said):
        yield f"{SECURITY} does not say: {who} may get tokens for {api} with {what}"
    for who, api, what in sorted(said - actual):
        yield f"{SECURITY} says what the Bicep does not: {who} may get tokens for {api} with {what}"


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the tables under a heading; without the heads, links and backticks."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("|")]
    heads = {place + step for place, line in enumerate(found) if set(line) <= set("|-: ") for step in (-1, 0)}
    lines = [line for place, line in enumerate(found) if place not in heads]
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).replace("`", "") for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in plain]


def _grants_with_conditions(project: Project) -> set[Grant]:
    """The grants of all parameter sets, with the parameter that an optional one depends on."""
    always = set(grants(project.deployment("managed-identity")))
    certificate = set(grants(project.deployment("certificate"))) - always
    key = set(grants(project.deployment("vault-key"))) - always
    optional = {
        "certificate only": certificate - key,
        "vaultKey only": key - certificate,
        "certificate and vaultKey": certificate & key,
        "sharedTokenCache only": set(grants(project.deployment("managed-identity-everything-on"))) - always,
        "existingVaultId only": set(grants(project.deployment("existing-vault"))) - always,
        "existingVaultId with vaultKey": set(grants(project.deployment("private-network-vault-key"))) - always,
    }
    return always.union(
        *({each._replace(scope=f"{each.scope} ({when})") for each in given} for when, given in optional.items())
    )


def permissions(deployment: Deployment) -> set[tuple[str, str, str]]:
    """Who may get tokens for what, with which permissions, by the app registrations."""
    apps = [app["properties"] for app in deployment.of_type("Microsoft.Graph/applications")]
    labels = {app_id(key): name for key, name in REGISTRATIONS.items()}
    labels[deployment.parameters["copilotClientId"]] = "Microsoft 365 Copilot"
    scopes = {each["id"]: each["value"] for app in apps for each in at(app, "api.oauth2PermissionScopes") or ()}
    scopes |= GRAPH_SCOPES
    found = set()
    for app in apps:
        own = REGISTRATIONS[app["uniqueName"].partition("-")[0]]
        for caller in at(app, "api.preAuthorizedApplications") or ():
            names = ", ".join(scopes.get(each, each) for each in caller["delegatedPermissionIds"])
            found.add((labels.get(caller["appId"], "developer tools"), own, names))
        for access in app.get("requiredResourceAccess", ()):
            if access["resourceAppId"] == GRAPH:
                names = ", ".join(scopes.get(each["id"], each["id"]) for each in access["resourceAccess"])
                found.add((own, "Microsoft Graph", names))
            if any(each["type"] != "Scope" for each in access["resourceAccess"]):
                found.add((own, access["resourceAppId"], "an application permission"))
    return found
