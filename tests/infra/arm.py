"""A deployment as an ARM template, for tools that do not read all of Bicep. Its values are evaluated, ids made up."""

from __future__ import annotations

from typing import Any

from tests.infra.evaluator import Deployed, Deployment

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template(deployment: Deployment) -> dict[str, Any]:
    """All resources of Azure itself; those of Microsoft Graph are not ARM's."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [
            _resource(resource) for resource in deployment.resources if not resource.type.startswith("Microsoft.Graph/")
        ],
    }


def _resource(resource: Deployed) -> dict[str, Any]:
    names, parent = [resource.name], resource.parent
    while parent:
        names, parent = [parent.name, *names], parent.parent
    body = {key: _plain(value) for key, value in resource.body.items() if value is not None}
    return {"type": resource.type, "apiVersion": resource.declaration.version, **body, "name": "/".join(names)}


def _plain(value: Any) -> Any:
    if isinstance(value, Deployed):
        return value.id
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
