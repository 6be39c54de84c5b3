"""How `def` and `async def` functions differ: in how a session is opened, the function called, and the guard run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .async_user import validated
from .session import Session
from .sessions import Sessions

T = TypeVar("T")
Function = Callable[..., Any]


async def opened(sessions: Sessions, bearer: str) -> Session:
    """The session of a token, for `def`. See Sessions.open."""
    return sessions.open(bearer)


async def opened_async(sessions: Sessions, bearer: str) -> Session:
    """The same for `async def`: a known token does not leave the event loop."""
    session = sessions.find(bearer)
    return session if session is not None else await validated(sessions.open, bearer)


async def called(function: Function, arguments: dict[str, Any]) -> object:
    """The result of a `def` function."""
    return function(**arguments)


async def awaited(function: Function, arguments: dict[str, Any]) -> object:
    """The result of an `async def` function, or of a decorator's plain function around one."""
    result = function(**arguments)
    return await result if hasattr(result, "__await__") else result


def finished(guard: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that never waits for an event loop: one step takes it to its end."""
    try:
        guard.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a def function waited for an event loop")


def is_being_cancelled(error: BaseException) -> bool:
    """Whether the event loop cancels this task; if not, a CancelledError is one that the function let out.

    Only the former counts in Task.cancelling(), which a leaked error of another task or future leaves at 0:
    https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancelling
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop here: a `def` function
        return False
    return task is not None and task.cancelling() > 0
