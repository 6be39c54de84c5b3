"""The engine for Pythons below 3.13: the azure-functions SDK's objects and converters, called as the worker does."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from emulators.functions_host import attribution
from emulators.functions_host.context import Context, Out, invocation_ids
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.loading import ImportedApp
from emulators.functions_host.model import FunctionError, IndexedFunction, IndexingError, Invocation
from emulators.functions_host.sdk_indexing import LoadedFunction, load_functions

if TYPE_CHECKING:
    from azure.functions.meta import Datum


class SdkEngine:
    """Runs an app with what the azure-functions package offers."""

    name = "sdk"

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_thread_count(), "function")
        self._functions: dict[str, LoadedFunction] = {}
        self._app: ImportedApp | None = None

    async def index(self, layout: AppLayout) -> Sequence[IndexedFunction]:
        """Import the app and check its functions. Raises IndexingError."""
        self._app = ImportedApp(layout)
        attribution.add(_invocation_of_thread)
        try:
            with self._app.importing():
                loaded = load_functions(importlib.import_module(layout.module), layout.script)
        except Exception as error:  # the app may raise anything at import; the host continues and responds with 404
            raise IndexingError(f"{type(error).__name__}: {error}", traceback.format_exc()) from error
        self._functions = {function.name: function for function in loaded}
        return [IndexedFunction.from_bindings(one.name, one.name, one.raw_bindings) for one in loaded]

    async def invoke(self, invocation: Invocation) -> Datum | None:
        """The function's reply; None when it gave none. Raises FunctionError."""
        try:
            return await self._invoke(self._functions[invocation.function.id], invocation)
        except Exception as error:  # a function may raise anything; its caller gets 500
            raise FunctionError(repr(error), traceback.format_exc()) from error

    def close(self) -> None:
        """Take no more work; does not wait for functions that are running."""
        attribution.remove(_invocation_of_thread)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._app is not None:
            self._app.forget()

    async def _invoke(self, function: LoadedFunction, invocation: Invocation) -> Datum | None:
        parameter = invocation.trigger.parameter
        arguments: dict[str, Any] = {parameter: _decode(invocation.request, function.inputs[parameter])}
        outputs = {name: Out() for name in function.outputs}
        if function.requires_context:
            arguments["context"] = Context(invocation, function.directory)
        result = await self._call(function, {**arguments, **outputs}, invocation.id)
        sys.stdout.flush()
        if result is not None and not function.has_return:
            raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
        if invocation.function.http_output == "$return":
            return _encode(result)
        reply = outputs[invocation.function.http_output].get() if invocation.function.http_output else None
        return None if reply is None else _encode(reply)

    async def _call(self, function: LoadedFunction, arguments: dict[str, Any], invocation_id: str) -> Any:
        invocation_ids.invocation_id = invocation_id  # on the loop's thread, for `def` functions as well
        if function.is_async:
            return await function.call(**arguments)
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, _on_a_thread, function, arguments, invocation_id
        )


def _thread_count() -> int | None:
    """PYTHON_THREADPOOL_THREAD_COUNT as the worker reads it. None: min(32, processors + 4).

    That is what an instance has that was specialized from a placeholder, as after a cold start of a Flex Consumption
    plan. A worker that the real host starts plainly has 1,000.
    """
    try:
        count = int(os.environ["PYTHON_THREADPOOL_THREAD_COUNT"])
    except (KeyError, ValueError):
        return None
    return count if count >= 1 else None


def _invocation_of_thread() -> str | None:
    return getattr(invocation_ids, "invocation_id", None)


def _on_a_thread(function: LoadedFunction, arguments: dict[str, Any], invocation_id: str) -> Any:
    invocation_ids.invocation_id = invocation_id
    try:
        return function.call(**arguments)
    finally:
        invocation_ids.invocation_id = None


def _decode(request: Datum, binding_type: str) -> Any:
    """The SDK's conversion of a request; a parameter annotated str or bytes cannot be given one."""
    from azure.functions.http import HttpRequestConverter

    if binding_type != "httpTrigger":
        raise ValueError(f'unexpected type of data received for the "{binding_type}" binding', repr(request.type))
    return HttpRequestConverter.decode(request, trigger_metadata={})


def _encode(value: Any) -> Datum:
    """The SDK's conversion of a returned value; anything but HttpResponse and str is refused, None included."""
    from azure.functions.http import HttpResponseConverter

    try:
        return HttpResponseConverter.encode(value, expected_type=None)
    except NotImplementedError:
        raise TypeError(
            f'unable to encode outgoing TypedData: unsupported type "http" for Python type "{type(value).__name__}"'
        ) from None
