"""The checks: each is a function from the project to what is wrong with it, one line for each problem."""

from __future__ import annotations

from collections.abc import Callable

from tests.infra.checks import (
    azure_yaml,
    certificate_script,
    configuration,
    flex,
    hardening,
    references,
    resources,
    roles,
    settings,
    values,
    wiring,
)
from tests.infra.evaluator import EvaluationError
from tests.infra.project import Project

CHECKS: dict[str, Callable[[Project], list[str]]] = {
    "references": references.problems,
    "resources": resources.problems,
    "wiring": wiring.problems,
    "configuration": configuration.problems,
    "values": values.problems,
    "settings": settings.problems,
    "flex": flex.problems,
    "roles": roles.problems,
    "hardening": hardening.problems,
    "azure.yaml": azure_yaml.problems,
    "certificate script": certificate_script.problems,
}


def problems(name: str, project: Project) -> list[str]:
    """What one check finds. Bicep that cannot be evaluated is a problem, too."""
    try:
        return CHECKS[name](project)
    except EvaluationError as error:
        return [str(error)]
