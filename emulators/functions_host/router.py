"""Which function handles a request: the real host's rules, which are not ASP.NET's usual ones.

Functions are tried in the order of their names, regardless of case. The first whose template and methods match is
called. A literal segment is not preferred to a parameter (Azure/azure-functions-host issue 9876).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emulators.functions_host.model import HttpTrigger, IndexedFunction
from emulators.functions_host.routes import RouteTemplate

logger = logging.getLogger("Host.Startup")

_RESERVED = ("admin", "runtime")


@dataclass(frozen=True)
class Route:
    """A function and its route template."""

    function: IndexedFunction
    trigger: HttpTrigger
    template: RouteTemplate

    def conflicts_with(self, other: Route) -> bool:
        """Same template and a method in common: the host refuses the later of the two."""
        if self.template.template.lower() != other.template.template.lower():
            return False
        mine, theirs = self.trigger.methods, other.trigger.methods
        return mine is None or theirs is None or bool(mine & theirs)


def _is_reserved(function: IndexedFunction, trigger: HttpTrigger) -> bool:
    """Whether the host reserves the route. It looks at the route alone, without the prefix."""
    if not trigger.route.strip("/").lower().startswith(_RESERVED):
        return False
    logger.error(
        "The '%s' function is in error: The specified route conflicts with one or more built in routes.", function.name
    )
    return True


class Router:
    """All routes of an app."""

    def __init__(self, functions: Iterable[IndexedFunction] = (), prefix: str = "") -> None:
        """Raises TemplateError or ConstraintError for a template that the host could not map either."""
        self.routes: list[Route] = []
        for function in sorted(functions, key=lambda function: function.name.upper()):
            if function.trigger is not None and not _is_reserved(function, function.trigger):
                template = RouteTemplate(f"{prefix}/{function.trigger.route.strip('/')}")
                self._add(Route(function, function.trigger, template))

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The function for a method and a decoded path, with its route parameters."""
        for route in self.routes:
            if route.trigger.methods is None or method.upper() in route.trigger.methods:
                values = route.template.match(path)
                if values is not None:
                    return route, values
        return None

    def _add(self, route: Route) -> None:
        for other in self.routes:
            if route.conflicts_with(other):
                logger.error(
                    "The '%s' function is in error: "
                    "The route specified conflicts with the route defined by function '%s'.",
                    route.function.name,
                    other.function.name,
                )
                return
        self.routes.append(route)
