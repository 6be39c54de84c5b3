"""A guarded function in the shape in which Azure Functions indexes and calls functions."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Protocol

import azure.functions as func

Function = Callable[..., Any]


class Guard(Protocol):
    def run(self, **arguments: Any) -> func.HttpResponse: ...

    async def run_async(self, **arguments: Any) -> func.HttpResponse: ...


def as_azure_function(guard: Guard, function: Function) -> Function:
    """The guard as a function that Azure Functions can index: name, text and parameters of the author's, less `user`.

    The worker compares parameters with bindings, and looks through `__wrapped__`; hence no functools.wraps. It hands
    `context` to whatever has a parameter of that name and of this type; the guard reads the trace from it.
    """
    guarded: Any = _async_entry(guard) if inspect.iscoroutinefunction(function) else _entry(guard)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("user", "context")]
    parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, default=None))
    guarded.__name__, guarded.__qualname__ = function.__name__, function.__qualname__
    guarded.__doc__, guarded.__module__ = function.__doc__, function.__module__
    guarded.__annotations__ = {**_hints(function), "context": func.Context, "return": func.HttpResponse}
    guarded.__signature__ = inspect.Signature(parameters)
    result: Function = guarded
    return result


def request_among(arguments: dict[str, Any]) -> func.HttpRequest:
    """The trigger, whatever the author calls it. Raises TypeError when there is none."""
    for value in arguments.values():
        if hasattr(value, "headers"):
            request: func.HttpRequest = value
            return request
    raise TypeError("@requires_user is for functions with an HTTP trigger")


def _hints(function: Function) -> dict[str, Any]:
    """The types of the parameters, resolved where the author wrote them: the worker would look the names up here."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # imported for type checkers only; the worker asks for no types, it only checks those it sees
        return {}
    return {name: hint for name, hint in hints.items() if name not in ("user", "context", "return")}


def _entry(guard: Guard) -> Function:
    def entry(**arguments: Any) -> func.HttpResponse:
        return guard.run(**arguments)

    return entry


def _async_entry(guard: Guard) -> Function:
    async def entry(**arguments: Any) -> func.HttpResponse:
        return await guard.run_async(**arguments)

    return entry
