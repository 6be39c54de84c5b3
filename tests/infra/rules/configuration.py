"""bicepconfig.json: the pinned Graph types, and every linter rule an error."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.infra.project import Project
from tests.infra.rules import project_rule

PATH = "infra/bicepconfig.json"
GRAPH = "br:mcr.microsoft.com/bicep/extensions/microsoftgraph/v1.0:1.0.0"
NEEDED = (
    "no-unused-params",
    "no-unused-vars",
    "outputs-should-not-contain-secrets",
    "use-recognized-resource-type",
    "what-if-short-circuiting",
)
AGE = "use-recent-api-versions"


@project_rule(makers=True)
def linter(project: Project) -> Iterator[str]:
    """Each rule at error, except the age of API versions: with time alone, it would fail azd's compilation."""
    found = json.loads(project.texts[PATH])
    if found.get("extensions") != {"microsoftGraphV1": GRAPH}:
        yield f"{PATH}: the Graph types must be {GRAPH}; later ones change `owners`"
    core = found.get("analyzers", {}).get("core", {})
    rules = core.get("rules", {})
    if core.get("enabled") is not True:
        yield f"{PATH}: the linter is off"
    for name, rule in rules.items():
        if rule.get("level") != "error":
            yield f"{PATH}: the rule {name} is not at error"
    yield from (f"{PATH}: the rule {name} is missing" for name in NEEDED if name not in rules)
    if AGE in rules:
        yield f"{PATH}: {AGE} is on: a build would break by itself when a version turns two years old"
