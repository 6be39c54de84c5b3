"""Adapts a guard to the signature that Azure Functions indexes and calls, for `def` and `async def` functions.

A guard is one coroutine for both. `Kind` has the steps that differ. For `def` no step waits for an event loop, so
`run_to_end` runs the coroutine without one. `is_being_cancelled` tells the event loop's cancellation from an error.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import azure.functions as func

from ..telemetry import worker_trace
from ..user import AsyncUser, SignedInUser, User, validate_in_thread
from .declaration import hints_of, is_async, place_of

T = TypeVar("T")

Function = Callable[..., Any]
Find = Callable[[str], T | None]
CATCH_ALL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Guard(Protocol):
    """The guard of one function. requires_user.py makes it: `_Guard`."""

    async def respond(self, arguments: dict[str, Any]) -> func.HttpResponse: ...


class Open(Protocol):
    """How a guard opens a bearer token: with `Sessions.find` and `open`, or with `find_caller` and `open_caller`."""

    async def __call__(self, find: Find[T], open_: Callable[[str], T], bearer: str) -> T: ...


async def _open(find: Find[T], open_: Callable[[str], T], bearer: str) -> T:  # noqa: ARG001 — see below
    """`find` is unused: `open_` looks up known tokens itself."""
    return open_(bearer)


async def _open_async(find: Find[T], open_: Callable[[str], T], bearer: str) -> T:
    """A known token is looked up in the event loop. Another one is validated in a thread."""
    known = find(bearer)
    return known if known is not None else await validate_in_thread(open_, bearer)


async def _call(function: Function, arguments: dict[str, Any]) -> object:
    return function(**arguments)


async def _call_async(function: Function, arguments: dict[str, Any]) -> object:
    """Awaits the result. A decorator may have put a plain `def` around the function, which returns a coroutine."""
    result = function(**arguments)
    return await result if hasattr(result, "__await__") else result


class Kind(NamedTuple):
    """What differs between `def` and `async def`: the class of the user, how to open a session, how to call."""

    is_async: bool
    user: type[SignedInUser]
    open: Open
    call: Callable[[Function, dict[str, Any]], Awaitable[object]]


_DEF = Kind(False, User, _open, _call)
_ASYNC_DEF = Kind(True, AsyncUser, _open_async, _call_async)


def kind_of(function: Function) -> Kind:
    """The kind of a function. A wrapper around `async def` counts as async: its result must be awaited, too."""
    return _ASYNC_DEF if is_async(function) else _DEF


def as_azure_function(guard: Guard, function: Function, kind: Kind, caller: str) -> Function:
    """A function that Azure Functions can index: the name, docstring and parameters of `function`, without `caller`.

    `caller` is the name of the parameter that receives the user or the application. The worker compares parameters with
    bindings. functools.wraps is not used: its `__wrapped__` would show the worker the parameter `caller`, which has no
    binding.

    `context` carries the trace. The worker passes it to a parameter of that name and of type func.Context. The worker
    passes all arguments by name. Tests and decorators above the guard may also pass them by position.
    """
    own = inspect.signature(function).parameters.values()
    positions = [p.name for p in own if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and p.name != caller]
    name_arguments = partial(_name_arguments, function.__name__, positions, caller)
    guarded: Any = (_make_async_entry if kind.is_async else _make_entry)(guard, name_arguments, caller)
    parameters = [p for p in own if p.name not in (caller, "context") and p.kind not in CATCH_ALL]
    parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, default=None))
    guarded.__name__, guarded.__qualname__ = function.__name__, function.__qualname__
    guarded.__doc__, guarded.__module__ = function.__doc__, function.__module__
    hints = {name: hint for name, hint in hints_of(function).items() if name != caller}
    guarded.__annotations__ = {**hints, "context": func.Context, "return": func.HttpResponse}
    guarded.__signature__ = inspect.Signature(parameters)
    guarded.guarded_at = place_of(function)
    result: Function = guarded
    return result


def find_request(arguments: dict[str, Any], function: str) -> func.HttpRequest:
    """The request that triggered the function, under any parameter name. Raises TypeError if there is none.

    Requests of other frameworks are refused. Such a framework would send the guard's error responses with status 200.
    """
    for value in arguments.values():
        if hasattr(value, "headers") and hasattr(value, "get_body"):
            request: func.HttpRequest = value
            return request
    raise TypeError(
        f"{function}() was called without an azure.functions.HttpRequest: its decorator is for functions with an HTTP "
        "trigger, not for those that an AsgiFunctionApp, a WsgiFunctionApp or HTTP streaming calls"
    )


def _make_entry(guard: Guard, name_arguments: Callable[..., dict[str, Any]], caller: str) -> Function:
    def entry(*values: Any, **named: Any) -> func.HttpResponse:
        arguments = name_arguments(values, named) if values or caller in named else named
        with worker_trace(arguments.get("context")):
            return run_to_end(guard.respond(arguments))

    return entry


def _make_async_entry(guard: Guard, name_arguments: Callable[..., dict[str, Any]], caller: str) -> Function:
    async def entry(*values: Any, **named: Any) -> func.HttpResponse:
        return await guard.respond(name_arguments(values, named) if values or caller in named else named)

    return entry


def _name_arguments(
    function: str, positions: list[str], caller: str, values: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """All arguments by name. Raises TypeError for wrong arguments, as if the function had no parameter `caller`."""
    if caller in named or len(values) > len(positions):
        raise TypeError(f"{function}() takes {', '.join(positions)}; its {caller} comes from the access token alone")
    given = dict(zip(positions, values, strict=False))
    if not given.keys().isdisjoint(named):
        raise TypeError(f"{function}() got multiple values for {', '.join(sorted(given.keys() & named.keys()))}")
    return {**given, **named}


def run_to_end(response: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits for an event loop: one `send` runs it to its end."""
    try:
        response.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a def function waited for an event loop")


def is_being_cancelled(error: BaseException) -> bool:
    """Whether the event loop is cancelling this task. Otherwise a CancelledError leaked from another task or future.

    Task.cancelling() counts requests to cancel this task. A leaked error leaves the count at 0:
    https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancelling
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop here: a `def` function
        return False
    return task is not None and task.cancelling() > 0
