"""What modules yield is used, what they need is there before them, and azd's parameters are those of main.bicep."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.infra.project import ENTRIES, MAIN, Project, at, leaves
from tests.infra.rules import project_rule
from tests.infra.rules.templates import modules, resources

PARAMETERS = "infra/main.parameters.json"
ASKED_BY_AZD = ("AZURE_ENV_NAME", "AZURE_LOCATION")
# Set for other ends by shells, containers and Azure's libraries; azd takes a variable from the environment, too.
TAKEN = ("PYTHON_VERSION", "PATH", "HOME", "USER", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID")


@project_rule()
def order(project: Project) -> Iterator[str]:
    """A module that is given the name of what another module makes waits for that module."""
    found = resources(project.template)
    given = {symbol: _parameters(resource) for symbol, resource in found.items()}
    for symbol, resource in found.items():
        for other, parameters in given.items():
            name = parameters.get("name", "")
            passed = {value for key, each in given[symbol].items() for _, value in leaves(each) if key != "name"}
            looked_up = other != symbol and str(name).startswith("[variables(") and name in passed
            if looked_up and other not in resource.get("dependsOn", ()):
                yield f"{MAIN}: module {symbol} looks up what {other} makes and does not wait for it: dependsOn"


@project_rule(makers=True)
def outputs(project: Project) -> Iterator[str]:
    """Each output of a module is read by the template that uses it."""
    read: set[tuple[str, str]] = set()
    declared: dict[tuple[str, str], str] = {}
    for where, template in modules(project.template):
        text = json.dumps(template.get("resources", {})) + json.dumps(template.get("outputs", {}))
        for symbol, resource in resources(template).items():
            file = str(at(resource, "properties.template.metadata._generator.templateHash"))
            for name in at(resource, "properties.template.outputs") or ():
                declared[file, name] = f"{where}: the output {name} of module {symbol} is not consumed by anything"
                if f"reference('{symbol}').outputs.{name}." in text or "copy" in resource:
                    read.add((file, name))
    yield from (line for key, line in declared.items() if key not in read)


@project_rule(makers=True)
def parameters(project: Project) -> Iterator[str]:
    """Each parameter says what to give; defaults live in main.bicep alone; none is a secret."""
    for where, template in modules(project.template):
        for name, each in template.get("parameters", {}).items():
            if len(each.get("metadata", {}).get("description", "")) < len("The region."):
                yield f"{where}: parameter {name} has no @description that says what to give"
            if where != "main" and "defaultValue" in each:
                yield f"{where}: parameter {name} has a default; those live in main.bicep alone"
            if str(each.get("type", "")).startswith("secure"):
                yield f"{where}: parameter {name} is a secret; this template takes none"


@project_rule(makers=True)
def files(project: Project) -> Iterator[str]:
    """Each file is used and begins with what it is for."""
    for path, text in project.texts.items():
        if path.endswith(".bicep"):
            if path not in ENTRIES and path not in project.modules:
                yield f"{path}: no module refers to this file"
            for word in ("Lifetime", "Role", "Reason"):
                if f"// {word}: " not in text.split("\n\n")[0]:
                    yield f"{path}: the first lines do not tell the {word.lower()} (`// {word}: …`)"


@project_rule()
def given_by_azd(project: Project) -> Iterator[str]:
    """main.parameters.json gives each parameter of main.bicep one variable of azd's environment."""
    declared = project.template["parameters"]
    given = json.loads(project.texts[PARAMETERS])["parameters"]
    for name in sorted(set(declared) - set(given)):
        yield f"{PARAMETERS}: the parameter {name} of main.bicep is missing"
    for name in sorted(set(given) - set(declared)):
        yield f"{PARAMETERS}: main.bicep has no parameter {name}"
    for name, each in given.items():
        if _variable(each) is None:
            yield f"{PARAMETERS}: {name} must be one variable, ${{NAME}}: defaults live in main.bicep alone"
    for variable, times in Counter(filter(None, map(_variable, given.values()))).items():
        if times > 1:
            yield f"{PARAMETERS}: {variable} is used {times} times"
        if variable in TAKEN:
            yield f"{PARAMETERS}: {variable} is set for other ends, too, and azd would take that"


@project_rule(makers=True)
def explained(project: Project) -> Iterator[str]:
    """docs/deploy.md has a word on each variable."""
    given = json.loads(project.texts[PARAMETERS])["parameters"]
    for variable in filter(None, map(_variable, given.values())):
        if variable not in ASKED_BY_AZD and f"`{variable}`" not in project.texts["docs/deploy.md"]:
            yield f"{PARAMETERS}: docs/deploy.md does not explain `{variable}`"


def _variable(given: dict[str, Any]) -> str | None:
    """`NAME` of `{"value": "${NAME}"}`; None for anything else."""
    match = re.fullmatch(r"\$\{([A-Z][A-Z0-9_]*)\}", str(given.get("value")))
    return match[1] if match and set(given) == {"value"} else None


def _parameters(resource: dict[str, Any]) -> dict[str, Any]:
    """What a module is given, by parameter; a choice that is made during the deployment is one whole expression."""
    given = at(resource, "properties.parameters") or {}
    return {name: each["value"] if isinstance(each, dict) else each for name, each in given.items()}
