"""One worker: an engine with one import of the app, from its start to its end.

In Azure it is a process. Here it is a part of this process. When it dies, its invocations fail and its tasks are
cancelled. A `def` function that runs in a thread cannot be stopped. Modules that the app imported stay imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from emulators.functions_host import attribution
from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import IndexedFunction, Invocation

if TYPE_CHECKING:
    from azure.functions.meta import Datum

ENDS_A_WORKER = (SystemExit, KeyboardInterrupt)


class WorkerDied(Exception):  # noqa: N818 - named for what has happened
    """The worker ended while the invocation ran."""


class TimedOut(Exception):  # noqa: N818 - named for what has happened
    """The invocation took longer than functionTimeout."""


class Worker:
    """Runs the invocations of one app until it is retired, or dies."""

    def __init__(self, engine: str, layout: AppLayout) -> None:
        """Raises EngineError."""
        self.engine = in_process_engine(engine)
        self._layout = layout
        self._dead = asyncio.Event()
        self._retired = False
        self._running: set[asyncio.Task[Datum | None]] = set()

    async def index(self) -> Sequence[IndexedFunction]:
        """Import the app and check its functions. Raises IndexingError."""
        return await self.engine.index(self._layout)

    async def invoke(
        self, call: Invocation, timeout: float | None, on_exit: Callable[[BaseException], None]
    ) -> Datum | None:
        """The function's reply. `on_exit` gets an exception that ends a worker process.

        Raises FunctionError, WorkerDied, or TimedOut. A function whose CancelledError leaks is never done. The worker
        sends no response for it, so the caller waits for the timeout.
        """
        task = asyncio.create_task(self._invocation(call, on_exit))
        self._running.add(task)
        death = asyncio.create_task(self._dead.wait())
        try:
            await asyncio.wait_for(_result_or_death(task, death), timeout)
        except TimeoutError:
            task.cancel()
            raise TimedOut from None
        finally:
            death.cancel()
            self._running.discard(task)
            self._close_when_idle()
        if self._dead.is_set():
            raise WorkerDied
        return task.result()

    def die(self) -> None:
        """As a process that ends: every invocation fails, and whatever it has begun on the loop is cancelled."""
        self._dead.set()
        for task in self._running:
            task.cancel()
        self.engine.close()

    def retire(self) -> None:
        """Let what runs come to its end, then close."""
        self._retired = True
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        if self._retired and not self._running:
            self.engine.close()

    async def _invocation(self, call: Invocation, on_exit: Callable[[BaseException], None]) -> Datum | None:
        with attribution.running(call.id, call.function.name):
            try:
                return await self.engine.invoke(call)
            except ENDS_A_WORKER as error:
                on_exit(error)
                raise WorkerDied from error


async def _result_or_death(task: asyncio.Task[Datum | None], death: asyncio.Task[Any]) -> None:
    await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
    if task.done() and task.cancelled():
        await asyncio.wait({death})
