"""azure.yaml against azd's own schema, and against the files and the Bicep that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.infra.project import Deployment, Project
from tests.infra.rules import deployment_rule, project_rule
from tests.infra.rules.settings import service_of

PATH = "azure.yaml"
SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "azure.yaml.schema.json").read_text(encoding="utf-8"))


@project_rule()
def file(project: Project) -> Iterator[str]:
    """What azd would refuse, ignore, or not find."""
    try:
        found = yaml.safe_load(project.texts[PATH])
    except yaml.YAMLError as error:
        yield f"{PATH}: {error}"
        return
    errors = list(jsonschema.Draft201909Validator(SCHEMA).iter_errors(found))
    yield from (f"{PATH}: {'.'.join(map(str, each.path))}: {each.message}" for each in errors)
    if not errors:
        yield from (f"{PATH}: {what}" for part in (_known, _services, _hooks) for what in part(project, found))


@deployment_rule()
def services(deployment: Deployment) -> Iterator[str]:
    """Each service has the site that azd finds by its tag."""
    named = set(yaml.safe_load(deployment.texts[PATH]).get("services", {}))
    tagged = {service_of(site) for site in deployment.of_type("Microsoft.Web/sites")}
    if tagged != named:
        yield f"{PATH}: the services are {sorted(named)}, and the Bicep tags {sorted(tagged)} (azd-service-name)"


def _known(_: Project, found: dict[str, Any]) -> Iterator[str]:
    """The schema accepts unknown properties, and azd ignores them."""
    service = SCHEMA["properties"]["services"]["additionalProperties"]["properties"]
    for name in sorted(set(found) - set(SCHEMA["properties"])):
        yield f"azd knows no {name}"
    for key, each in found.get("services", {}).items():
        yield from (f"azd knows no {name} of a service ({key})" for name in sorted(set(each) - set(service)))


def _services(project: Project, found: dict[str, Any]) -> Iterator[str]:
    wanted = {"project": ".", "host": "function", "language": "python", "remoteBuild": True}
    for name, service in found.get("services", {}).items():
        for key, value in wanted.items():
            if service.get(key) != value:
                yield f"services.{name}.{key} must be {value!r}"
    for name in ("requirements.txt", "host.json", "function_app.py"):
        if name not in project.texts:
            yield f"{name} is not where the services are"
    if "pyproject.toml" in project.texts:
        yield "there is a pyproject.toml next to it: azd would run `pip install .`"


def _hooks(project: Project, found: dict[str, Any]) -> Iterator[str]:
    hooks = found.get("hooks", {})
    for name in ("preprovision", "postprovision", "prepackage", "predeploy", "postdown"):
        if name not in hooks:
            yield f"there is no hook {name}"
    for name, hook in hooks.items():
        run = hook.get("run", "") if isinstance(hook, dict) else ""
        if run not in project.texts or not run.endswith(".py"):
            yield f"hooks.{name}: there is no Python file {run!r}"
        if isinstance(hook, dict) and hook.get("shell"):
            yield f"hooks.{name}: a shell is not on every system"
