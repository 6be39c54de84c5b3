"""What local-stack.toml says of the API is what infra/ registers. Otherwise a function works on a laptop alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.infra.project import Project
from tests.infra.rules import project_rule

TABLE, REGISTRATIONS = "local-stack.toml", "infra/app-registrations.bicep"


@project_rule()
def scopes(project: Project) -> Iterator[str]:
    """The scopes of the API, and the permissions of Microsoft Graph that it asks for."""
    if TABLE not in project.texts or REGISTRATIONS not in project.texts:
        return
    table: dict[str, Any] = tomllib.loads(project.texts[TABLE])
    yield from _differences(project, "apiScopes", "scopes", table.get("scopes"))
    yield from _differences(project, "apiAppRoles", "app_roles", list(table.get("app_roles", {})), laptop_only=True)
    yield from _differences(project, "graphScopes", "permissions", table.get("graph", {}).get("permissions"))


def _differences(
    project: Project, variable: str, entry: str, local: list[str] | None, *, laptop_only: bool = False
) -> Iterator[str]:
    """`laptop_only`: what infra/ has and the table lacks is fine, because nobody holds the role on the laptop."""
    found = re.search(rf"^var {variable} = \[\n(.*?)^\]", project.texts[REGISTRATIONS], re.MULTILINE | re.DOTALL)
    if found is None or local is None:
        return  # laid out in another way, or left to its default
    azure = re.findall(r"^ +value: '([^']+)'", found[1], re.MULTILINE)
    for name in local:
        if name not in azure:
            yield f"{name!r} is in {entry} of {TABLE} and not in {variable} of {REGISTRATIONS}: add it there"
    for name in azure if not laptop_only else ():
        if name not in local:
            yield f"{name!r} is in {variable} of {REGISTRATIONS} and not in {entry} of {TABLE}: add it there"
