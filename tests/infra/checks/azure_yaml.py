"""azure.yaml against azd's own schema, and against the files and the Bicep it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.infra.checks.settings import service_of
from tests.infra.evaluator import deploy
from tests.infra.project import ROOT, Project
from tests.infra.resource_types import FOLDER

PATH = "azure.yaml"
SCHEMA = FOLDER / "azure.yaml.schema.json"


def problems(project: Project, root: Path = ROOT) -> list[str]:
    """`root` is where the files are that azd would find."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    try:
        found = yaml.safe_load(project.texts[PATH])
    except yaml.YAMLError as error:
        return [f"{PATH}: {error}"]
    validator = jsonschema.Draft201909Validator(schema)
    wrong = [f"{PATH}: {'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(found)]
    if wrong:
        return wrong
    return [
        f"{PATH}: {what}"
        for what in (*_known(found, schema), *_services(project, found, root), *_hooks(project, found))
    ]


def _known(found: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """The schema lets unknown properties pass; azd then ignores what was meant."""
    service = schema["properties"]["services"]["additionalProperties"]["properties"]
    for name in sorted(set(found) - set(schema["properties"])):
        yield f"azd knows no {name}"
    for key, each in found.get("services", {}).items():
        yield from (f"azd knows no {name} of a service ({key})" for name in sorted(set(each) - set(service)))


def _services(project: Project, found: dict[str, Any], root: Path) -> Iterator[str]:
    services = found.get("services", {})
    wanted = {"project": ".", "host": "function", "language": "python", "remoteBuild": True}
    for name, service in services.items():
        for key, value in wanted.items():
            if service.get(key) != value:
                yield f"services.{name}.{key} must be {value!r}"
    tagged = {service_of(site) for site in deploy(project).of_type("Microsoft.Web/sites")}
    if tagged != set(services):
        yield f"the services are {sorted(services)}, and the Bicep tags {sorted(tagged)} (azd-service-name)"
    for name in ("requirements.txt", "host.json", "function_app.py", "downstream_app.py"):
        if not (root / name).exists():
            yield f"{name} is not where the services are"
    if (root / "pyproject.toml").exists():
        yield "there is a pyproject.toml beside it: azd would run `pip install .`"


def _hooks(project: Project, found: dict[str, Any]) -> Iterator[str]:
    hooks = found.get("hooks", {})
    for name in ("preprovision", "postprovision", "postdown"):
        if name not in hooks:
            yield f"there is no hook {name}"
    for name, hook in hooks.items():
        run = hook.get("run", "") if isinstance(hook, dict) else ""
        if run not in project.texts or not run.endswith(".py"):
            yield f"hooks.{name}: there is no Python file {run!r}"
        if isinstance(hook, dict) and hook.get("shell"):
            yield f"hooks.{name}: a shell is not on every system"
