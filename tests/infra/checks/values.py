"""Evaluated values within the bounds of the real schemas: lengths, patterns, ranges, lists. Names among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.checks.resources import wrong_with
from tests.infra.evaluator import VARIANTS, Deployed, Deployment, deploy
from tests.infra.project import Project
from tests.infra.resource_types import ObjectType, resource_type

# Bounds that the schemas do not give: length and characters, and whether the whole cloud shares the names.
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
LONGEST = {"environmentName": "e" * 64}


def problems(project: Project) -> list[str]:
    """Every variant of the deployment, and one with the longest names."""
    found: list[str] = []
    for name, parameters in {**VARIANTS, "longest names": LONGEST}.items():
        deployment = deploy(project, **parameters)
        for resource in deployment.resources:
            found += [f"{resource.where}{what} ({name})" for what in _resource(resource)]
        found += [f"{what} ({name})" for what in _twins(deployment)]
    return found


def _resource(resource: Deployed) -> Iterator[str]:
    rule = NAMES.get(resource.type)
    if rule and not re.fullmatch(rule, resource.name):
        yield f": the name {resource.name!r} breaks Azure's rule {rule}"
    if resource.parent and resource.name == "":
        yield ": has no name"
    schema = resource_type(f"{resource.type}@{resource.declaration.version}")
    if schema:
        yield from _object(resource.body, schema.body, "")


def _object(value: dict[str, Any], kind: ObjectType, where: str) -> Iterator[str]:
    properties = dict(kind.properties)
    case = kind.case({key: str(item) for key, item in value.items()})
    if case:
        properties |= case.properties
    for name, item in value.items():
        if name in properties and item is not None:
            yield from _value(item, properties[name], kind, f"{where}.{name}")


def _value(value: Any, wanted: dict[str, Any], kind: ObjectType, where: str) -> Iterator[str]:
    shape = wanted["type"]
    if isinstance(value, list) and isinstance(shape, dict) and "array" in shape:
        for item in value:
            yield from _value(item, {"type": shape["array"]}, kind, f"{where}[]")
    elif isinstance(value, dict) and isinstance(shape, dict) and "object" in shape:
        yield from _object(value, ObjectType(kind.schema, shape["object"]), where)
    elif isinstance(value, (str, int)):
        yield from (f"{where} {what}" for what in wrong_with(value, wanted, where))


def _twins(deployment: Deployment) -> Iterator[str]:
    """Two resources of one type and name are one to Azure. App registrations are declared twice on purpose."""
    ids = [
        resource.id
        for resource in deployment.resources
        if not resource.type.startswith(("Microsoft.Graph/", "Microsoft.Authorization/", "Microsoft.Insights/diag"))
    ]
    yield from (f"{each} is declared twice" for each in sorted(set(ids)) if ids.count(each) > 1)
