"""How the compiled main.bicep holds its modules: each is a template of its own within a resource of the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NESTED = "Microsoft.Resources/deployments"


def resources(template: dict[str, Any]) -> dict[str, Any]:
    """The resources of one template by their symbol, or by their place where the compiler writes a list."""
    found = template.get("resources", {})
    return found if isinstance(found, dict) else {str(number): each for number, each in enumerate(found)}


def modules(template: dict[str, Any], symbol: str = "main") -> Iterator[tuple[str, dict[str, Any]]]:
    """The template and those of its modules, with the symbol of each: `main`, `api`, `keyVault`."""
    yield symbol, template
    for name, resource in resources(template).items():
        if resource["type"] == NESTED and "template" in resource.get("properties", {}):
            yield from modules(resource["properties"]["template"], name)
