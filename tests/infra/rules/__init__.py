"""The rules for infra/: what the compiler cannot know. Each is a function that yields one line for each problem.

A rule takes a Deployment, and is then called for each parameter set, or the whole Project. Its group is the name of its
module.

A rule with `makers=True` holds the template itself to its design and documents. The test suite applies it to the
committed snapshots and `dev.py check --infra` leaves it out, so what a user adds breaks nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.infra.bicep import BicepError
from tests.infra.project import Deployment, Project


@dataclass(frozen=True)
class Rule:
    """One rule."""

    group: str
    judge: Callable[[Project], Iterator[str]]
    makers: bool


RULES: list[Rule] = []


def project_rule(*, makers: bool = False) -> Callable[[Callable[[Project], Iterator[str]]], Any]:
    """Makes a function of the project a rule."""

    def declare(judge: Callable[[Project], Iterator[str]]) -> Callable[[Project], Iterator[str]]:
        RULES.append(Rule(judge.__module__.rpartition(".")[2], judge, makers))
        return judge

    return declare


def deployment_rule(*, makers: bool = False) -> Callable[[Callable[[Deployment], Iterator[str]]], Any]:
    """Makes a function of one deployment a rule for all of them. Its lines get the name of the parameter set."""

    def declare(judge: Callable[[Deployment], Iterator[str]]) -> Callable[[Deployment], Iterator[str]]:
        def judge_all(project: Project) -> Iterator[str]:
            for deployment in project.deployments:
                yield from (f"{deployment.name}: {line}" for line in judge(deployment))

        RULES.append(Rule(judge.__module__.rpartition(".")[2], judge_all, makers))
        return judge

    return declare


def problems(project: Project, group: str = "", *, makers: bool | None = None) -> Iterator[str]:
    """What the rules find, as they find it: those of one group, or all; the makers', the others, or both (None).

    Bicep that does not compile is one problem, in the compiler's words.
    """
    try:
        for rule in RULES:
            if group in ("", rule.group) and makers in (None, rule.makers):
                yield from rule.judge(project)
    except BicepError as error:
        yield str(error)


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

GROUPS = sorted({rule.group for rule in RULES})
