"""The rules for infra/ that the compiler cannot check. Each is a function that yields one line for each problem.

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
    """One rule: `judge` takes a Deployment when `each` is set, and the Project otherwise."""

    group: str
    judge: Callable[[Any], Iterator[str]]
    each: bool
    makers: bool


RULES: list[Rule] = []


def _declare(judge: Callable[[Any], Iterator[str]], *, each: bool, makers: bool) -> None:
    RULES.append(Rule(judge.__module__.rpartition(".")[2], judge, each, makers))


def project_rule(*, makers: bool = False) -> Callable[[Callable[[Project], Iterator[str]]], Any]:
    """Makes a function of the project a rule."""

    def declare(judge: Callable[[Project], Iterator[str]]) -> Callable[[Project], Iterator[str]]:
        _declare(judge, each=False, makers=makers)
        return judge

    return declare


def deployment_rule(*, makers: bool = False) -> Callable[[Callable[[Deployment], Iterator[str]]], Any]:
    """Makes a function of one deployment a rule for all of them. Its lines get the name of the parameter set."""

    def declare(judge: Callable[[Deployment], Iterator[str]]) -> Callable[[Deployment], Iterator[str]]:
        _declare(judge, each=True, makers=makers)
        return judge

    return declare


def problems(project: Project, group: str = "", *, makers: bool | None = None) -> Iterator[str]:
    """Yields the problems that the rules find. Selects one group or all, and makers' rules, the others or both (None).

    They run one deployment after the other, so a caller that stops early waits for few snapshots. Bicep that does not
    compile is one problem, in the compiler's words.
    """
    rules = [rule for rule in RULES if group in ("", rule.group) and makers in (None, rule.makers)]
    try:
        for rule in rules:
            if not rule.each:
                yield from rule.judge(project)
        if not any(rule.each for rule in rules):
            return
        for deployment in project.deployments:
            for rule in rules:
                if rule.each:
                    yield from (f"{deployment.name}: {line}" for line in rule.judge(deployment))
    except BicepError as error:
        yield str(error)


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

GROUPS = sorted({rule.group for rule in RULES})
