"""bicepconfig.json: the pinned Graph types, and every linter rule an error."""

from __future__ import annotations

import json

from tests.infra.project import Project

PATH = "infra/bicepconfig.json"
GRAPH = "br:mcr.microsoft.com/bicep/extensions/microsoftgraph/v1.0:1.0.0"
NEEDED = ("no-unused-params", "no-unused-vars", "outputs-should-not-contain-secrets", "use-recognized-resource-type")


def problems(project: Project) -> list[str]:
    """Each of them by name."""
    found = json.loads(project.texts[PATH])
    wrong = []
    if found.get("extensions") != {"microsoftGraphV1": GRAPH}:
        wrong.append(f"{PATH}: the Graph types must be {GRAPH}; later ones change `owners`")
    core = found.get("analyzers", {}).get("core", {})
    rules = core.get("rules", {})
    if core.get("enabled") is not True:
        wrong.append(f"{PATH}: the linter is off")
    wrong += [
        f"{PATH}: the rule {name} is not at error" for name, rule in rules.items() if rule.get("level") != "error"
    ]
    return [*wrong, *(f"{PATH}: the rule {name} is missing" for name in NEEDED if name not in rules)]
