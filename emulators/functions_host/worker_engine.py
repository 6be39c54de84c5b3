"""The engine for Python 3.13 and newer: Microsoft's own worker library indexes the app and runs its functions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulators.functions_host import attribution, worker_protos
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.loading import ImportedApp
from emulators.functions_host.model import FunctionError, IndexedFunction, IndexingError, Invocation
from emulators.functions_host.worker_library import WorkerLibrary

if TYPE_CHECKING:
    from azure.functions.meta import Datum

# The library logs a failure with its traceback and also returns it. This host reports what is returned.
_REPORTED_ELSEWHERE = frozenset({"native_invocation", "wrappers"})


class WorkerEngine:
    """Runs an app with the library that runs it in Azure."""

    name = "worker"

    def __init__(self) -> None:
        """Raises WorkerSeamError."""
        self._library = WorkerLibrary.load()
        self._app: ImportedApp | None = None
        self._async_invocations: set[str] = set()

    async def index(self, layout: AppLayout) -> Sequence[IndexedFunction]:
        """Import the app and check its functions. Raises IndexingError."""
        logging.getLogger("azure.functions").addFilter(_report_once)
        attribution.add(self._invocation_of_thread)
        self._library.start_threadpool_executor()
        self._app = ImportedApp(layout)
        with self._app.importing():
            response = await self._library.worker_init_request(_init_request(layout))
        if response.result.status != worker_protos.StatusResult.Success:
            raise IndexingError(response.result.exception.message, response.result.exception.stack_trace)
        metadata = await self._library.functions_metadata_request(None)
        return [
            IndexedFunction.from_bindings(function.function_id, function.name, function.raw_bindings)
            for function in metadata.function_metadata_results or ()
        ]

    async def invoke(self, invocation: Invocation) -> Datum | None:
        """The function's reply; None when it gave none. Raises FunctionError."""
        if self._library.functions.get_function(invocation.function.id).is_async:
            self._async_invocations.add(invocation.id)
        try:
            return await self._invoke(invocation)
        finally:
            self._async_invocations.discard(invocation.id)

    async def _invoke(self, invocation: Invocation) -> Datum | None:
        succeeded, reply, outputs, message, stack_trace = await self._library.invocation_request_native(
            invocation.id,
            invocation.function.id,
            [(invocation.trigger.parameter, invocation.request)],
            {},
            trace_parent=invocation.trace_parent,
            trace_state=invocation.trace_state,
        )
        if not succeeded:
            raise FunctionError(message, stack_trace)
        output: Datum | None = dict(outputs).get(invocation.function.http_output, reply)
        return output

    def close(self) -> None:
        """Take no more work; does not wait for functions that are running."""
        attribution.remove(self._invocation_of_thread)
        pool = self._library.get_threadpool_executor()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        if self._app is not None:
            self._app.forget()

    def _invocation_of_thread(self) -> str | None:
        """Set around `def` functions by the library, and by its native entry around `async def`, too.

        proxy_worker does not call the native entry, so in Azure the variable is not set for `async def`.
        """
        invocation_id: str | None = self._library.invocation_id_cv.get()
        return None if invocation_id in self._async_invocations else invocation_id


def _init_request(layout: AppLayout) -> Any:
    """`StreamingMessage` with a `WorkerInitRequest`, as far as the library reads it."""
    init = worker_protos.Message(capabilities={}, function_app_directory=str(layout.root))
    return worker_protos.Message(
        request=worker_protos.Message(worker_init_request=init),
        properties={"host": "127.0.0.1", "protos": worker_protos},
    )


def _report_once(record: logging.LogRecord) -> bool:
    return not (record.exc_info and record.module in _REPORTED_ELSEWHERE)
