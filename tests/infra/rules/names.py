"""Names within the bounds that Azure sets, and known before a deployment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.infra.open_values import is_open
from tests.infra.project import Deployment, label
from tests.infra.rules import deployment_rule

# Length and characters. The compiler knows some of these bounds, for names that it knows.
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
NAMES = {
    "Microsoft.KeyVault/vaults": r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Web/sites": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
    "Microsoft.Web/serverfarms": r"[a-zA-Z0-9-]{1,60}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "Microsoft.OperationalInsights/workspaces": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w().-]{0,89}[\w()-]",
    "Microsoft.Cache/redisEnterprise": r"(?!.*--)[a-zA-Z0-9][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
    "Microsoft.Cache/redisEnterprise/databases": "default",
    "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments": r"[a-zA-Z0-9]{1,60}",
    "Microsoft.Resources/deploymentScripts": r"[\w().-]{1,90}",
}


@deployment_rule()
def bounds(deployment: Deployment) -> Iterator[str]:
    """The last part of each name keeps Azure's rule."""
    for resource in deployment.resources:
        rule, name = NAMES.get(resource["type"]), str(resource.get("name", "")).rpartition("/")[2]
        if rule and not is_open(resource["name"]) and not re.fullmatch(rule, name):
            yield f"{label(resource)}: the name {name!r} breaks Azure's rule {rule}"


@deployment_rule(makers=True)
def in_clear(deployment: Deployment) -> Iterator[str]:
    """`azd provision --preview` can name each resource: no name waits for what only a deployment yields."""
    for resource in deployment.resources:
        for key in ("name", "id"):
            if is_open(resource.get(key)):
                yield f"{resource['type']}: its {key} is known only during the deployment: {resource[key]}"


@deployment_rule()
def twins(deployment: Deployment) -> Iterator[str]:
    """For Azure, two resources with one id are the same. App registrations, declared twice on purpose, have no id."""
    ids = [resource["id"] for resource in deployment.resources if "id" in resource]
    yield from (f"{each} is declared twice" for each in sorted(set(ids)) if ids.count(each) > 1)
