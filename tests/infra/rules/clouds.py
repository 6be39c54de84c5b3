"""Every cloud has its row in clouds.json. Values that differ between clouds are only there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.infra.project import MAIN, Deployment, Project, label, leaves
from tests.infra.rules import deployment_rule, project_rule

MAP = "infra/clouds.json"
CLOUDS = ("AzureCloud", "AzureUSGovernment", "AzureChinaCloud")
MAY_BE_EMPTY = ("cacheZone",)  # not known there, and refused
# Of Azure Resource Manager; it differs as well, and nothing here needs it.
OTHERS = ("management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn")
# Azure Cache for Redis, retired; no name of Azure Managed Redis is found there.
OLDER_PRODUCT = "redis.cache"
LOOKS_UP_THE_CLOUD = "[environment().name]"


@project_rule()
def rows(project: Project) -> Iterator[str]:
    """The rows have the same facts, all of them; the cloud is the one that is deployed to unless somebody says so."""
    found = facts(project.texts[MAP])
    if tuple(found) != CLOUDS:
        yield f"{MAP}: the rows are {list(found)}, and should be {list(CLOUDS)}"
    for cloud, row in found.items():
        for name in sorted(set(found[CLOUDS[0]]) ^ set(row)):
            yield f"{MAP}: {name} is not in every row"
        for name, value in row.items():
            if not value and name not in MAY_BE_EMPTY:
                yield f"{MAP}: {cloud} has no {name}"
            if OLDER_PRODUCT in value:
                yield f"{MAP}: {value} is a zone of the older product"
    default = project.template["parameters"]["cloud"].get("defaultValue")
    if default != LOOKS_UP_THE_CLOUD:
        yield f"{MAIN}: the cloud is {default} unless somebody says so, and should be {LOOKS_UP_THE_CLOUD}"


@deployment_rule()
def of_one_cloud(deployment: Deployment) -> Iterator[str]:
    """Nothing that is deployed, and no output, names another cloud."""
    found = facts(deployment.texts[MAP])
    own = set(found[deployment.parameters["cloud"]].values())
    foreign = {value for row in found.values() for value in row.values() if value} - own
    whole = [(label(resource), leaf) for resource in deployment.resources for leaf in leaves(resource)]
    for where, (path, value) in [*whole, *(("output ", leaf) for leaf in leaves(dict(deployment.outputs)))]:
        for other in sorted(foreign):
            if isinstance(value, str) and _mentions(value, other):
                yield f"{where}{path} names another cloud: {other}"


@project_rule(makers=True)
def nowhere_else(project: Project) -> Iterator[str]:
    """No Bicep file, hook or script has an address of a cloud in its text."""
    values = {value for row in facts(project.texts[MAP]).values() for value in row.values() if value}
    values |= {re.sub(r"^https://|/$", "", value) for value in values} | set(OTHERS)
    for path, text in project.texts.items():
        if path.startswith("infra/") and path.endswith((".bicep", ".py", ".sh")):
            for value in sorted(values):
                if _mentions(text, value):
                    yield f"{path}: {value} is of one cloud alone; it belongs in {MAP}"


def facts(text: str) -> dict[str, dict[str, str]]:
    """clouds.json: by cloud, what is true there."""
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def _mentions(text: str, value: str) -> bool:
    """Whether the value stands there whole: `api://X` does not stand in `api://XUSGov`."""
    return re.search(rf"{re.escape(value)}(?![\w-])", text) is not None
