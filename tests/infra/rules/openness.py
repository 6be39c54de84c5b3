"""Each expression that the compiler leaves open has a value in open_values.py."""

from __future__ import annotations

from collections.abc import Iterator

from tests.infra.open_values import is_open
from tests.infra.project import Deployment, label, leaves
from tests.infra.rules import deployment_rule
from tests.infra.rules.settings import LIKE_OURS

# The rules read only these types. A user's own app settings, and resources of other types, may have open values.
JUDGED = ("Microsoft.Graph/", "Microsoft.Web/", "Microsoft.KeyVault/", "Microsoft.Authorization/", "Microsoft.Cache/")


@deployment_rule()
def judged(deployment: Deployment) -> Iterator[str]:
    """What a rule reads has a value. Otherwise the rules would check nothing."""
    for resource in deployment.resources:
        for path, value in leaves(resource.get("properties", {})):
            own_setting = resource["type"] == "Microsoft.Web/sites/config" and not path[1:].lower().startswith(
                LIKE_OURS
            )
            if is_open(value) and resource["type"].startswith(JUDGED) and not own_setting:
                yield f"{label(resource)}: {path[1:]} {missing(value)}"


@deployment_rule(makers=True)
def everything(deployment: Deployment) -> Iterator[str]:
    """In the template itself nothing is left open, outputs included."""
    for name, value in [*deployment.outputs.items(), *(leaf for each in deployment.resources for leaf in leaves(each))]:
        if is_open(value):
            yield f"{name} {missing(value)}"


def missing(value: str) -> str:
    """What to do about an open expression."""
    return f"is left open by the compiler: {value}; add the whole expression to TABLE in tests/infra/open_values.py"
