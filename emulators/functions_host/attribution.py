"""Which invocation a log record belongs to, found as Microsoft's Python workers find it.

Both workers send every record to the host, with the id of an invocation where they know one:

- azure_functions_worker (Python up to 3.12) takes the id of the current asyncio task, otherwise the one in
  `context.thread_local_storage` of the current thread.
- proxy_worker (Python 3.13 and newer) takes the id of the current asyncio task, otherwise a context variable that is
  set around a `def` function. What an app writes into `context.thread_local_storage` is not read (worker issue 1860).

A task has the id of the task that made it. Both leave the id of the invocation that began last on the loop's own
thread, for callbacks that run in no task. The host drops a record without an id, and one whose invocation has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

Lookup = Callable[[], str | None]
"""How one engine finds the id of the invocation that the current thread works for, outside asyncio tasks."""

_functions: dict[str, str] = {}  # of the running invocations: id → name of the function
_lookups: list[Lookup] = []
_last_of_loop = threading.local()


class InvocationTask(asyncio.Task[Any]):
    """A task that belongs to the invocation of the task that made it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.invocation_id: str | None = None
        maker = asyncio.current_task(options["loop"])
        if isinstance(maker, InvocationTask):
            self.invocation_id = maker.invocation_id
        super().__init__(coroutine, **options)


def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """The task factory of the loop that runs `async def` functions."""
    return InvocationTask(coroutine, loop=loop, **options)


@contextlib.contextmanager
def running(invocation_id: str, function: str) -> Iterator[None]:
    """Within it, on a task of its own, the invocation runs: what is logged for it arrives."""
    task = asyncio.current_task()
    if isinstance(task, InvocationTask):
        task.invocation_id = invocation_id
    _last_of_loop.invocation_id = invocation_id
    _functions[invocation_id] = function
    try:
        yield
    finally:
        del _functions[invocation_id]


def add(lookup: Lookup) -> None:
    """Ask this engine, too."""
    _lookups.append(lookup)


def remove(lookup: Lookup) -> None:
    """Ask this engine no longer; nothing happens when it was not added."""
    with contextlib.suppress(ValueError):
        _lookups.remove(lookup)


def current_function() -> str | None:
    """The function on whose behalf the caller logs; None when the real host would drop the record."""
    task = _current_task()
    if isinstance(task, InvocationTask) and task.invocation_id is not None:
        return _functions.get(task.invocation_id)
    ids = [*(lookup() for lookup in list(_lookups)), getattr(_last_of_loop, "invocation_id", None)]
    return next((_functions[one] for one in ids if one in _functions), None)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return None
