"""A guarded function in the shape in which Azure Functions indexes and calls functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import azure.functions as func

from .declaration import hints_of, place_of

Function = Callable[..., Any]
CATCH_ALL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Guard(Protocol):
    def run(self, arguments: dict[str, Any]) -> func.HttpResponse: ...

    async def run_async(self, arguments: dict[str, Any]) -> func.HttpResponse: ...


def as_azure_function(guard: Guard, function: Function, *, is_async: bool) -> Function:
    """The guard as a function that Azure Functions can index: name, text and parameters of the author's, less `user`.

    The worker compares parameters with bindings, and looks through `__wrapped__`; hence no functools.wraps. It hands
    `context` to whatever has a parameter of that name and of this type; the guard reads the trace from it. It passes
    arguments by name; tests of one's own, and decorators above the guard, also by position.
    """
    own = inspect.signature(function).parameters.values()
    positions = [p.name for p in own if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and p.name != "user"]
    guarded: Any = (_async_entry if is_async else _entry)(guard, function.__name__, positions)
    parameters = [p for p in own if p.name not in ("user", "context") and p.kind not in CATCH_ALL]
    parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, default=None))
    guarded.__name__, guarded.__qualname__ = function.__name__, function.__qualname__
    guarded.__doc__, guarded.__module__ = function.__doc__, function.__module__
    hints = {name: hint for name, hint in hints_of(function).items() if name != "user"}
    guarded.__annotations__ = {**hints, "context": func.Context, "return": func.HttpResponse}
    guarded.__signature__ = inspect.Signature(parameters)
    guarded.guarded_at = place_of(function)
    result: Function = guarded
    return result


def request_among(arguments: dict[str, Any], function: str) -> func.HttpRequest:
    """The trigger, whatever the author calls it. Raises TypeError, naming the function, when there is none.

    A request of another framework is none: what the guard replies would go out with status 200 there.
    """
    for value in arguments.values():
        if hasattr(value, "headers") and hasattr(value, "get_body"):
            request: func.HttpRequest = value
            return request
    raise TypeError(
        f"{function}() was called without an azure.functions.HttpRequest: @requires_user is for functions with an HTTP "
        "trigger, not for those that an AsgiFunctionApp, a WsgiFunctionApp or HTTP streaming calls"
    )


def _entry(guard: Guard, function: str, positions: list[str]) -> Function:
    def entry(*values: Any, **named: Any) -> func.HttpResponse:
        return guard.run(_by_name(function, positions, values, named) if values or "user" in named else named)

    return entry


def _async_entry(guard: Guard, function: str, positions: list[str]) -> Function:
    async def entry(*values: Any, **named: Any) -> func.HttpResponse:
        return await guard.run_async(
            _by_name(function, positions, values, named) if values or "user" in named else named
        )

    return entry


def _by_name(function: str, positions: list[str], values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name. Raises TypeError as a call of the author's function without `user` would."""
    if "user" in named or len(values) > len(positions):
        raise TypeError(f"{function}() takes {', '.join(positions)}; its user comes from the access token alone")
    given = dict(zip(positions, values, strict=False))
    if not given.keys().isdisjoint(named):
        raise TypeError(f"{function}() got multiple values for {', '.join(sorted(given.keys() & named.keys()))}")
    return {**given, **named}
