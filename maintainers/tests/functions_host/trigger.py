"""Runs one function of an app once, as the Functions host does, in a process with the API's environment.

`python -m maintainers.tests.functions_host.trigger ENGINE FOLDER FUNCTION PARAMETER TYPE DATA`: the outcome, as JSON.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import sys
from pathlib import Path
from typing import Any

from azure.functions.meta import Datum

from emulators.functions_host.layout import AppLayout
from emulators.functions_host.sdk_engine import SdkEngine
from emulators.functions_host.worker_engine import WorkerEngine

METADATA = {"Id": Datum("1", "string"), "DequeueCount": Datum("1", "string")}


async def by_worker(folder: Path, name: str, parameter: str, data: Datum) -> list[str]:
    """By Microsoft's worker library. Returns its words about a failure."""
    engine = WorkerEngine()
    functions = await engine.index(AppLayout.read(folder))
    (function,) = [one for one in functions if one.name == name]
    run = engine._library.invocation_request_native
    succeeded, _, _, message, _ = await run("invocation", function.id, [(parameter, data)], METADATA)
    engine.close()
    return [] if succeeded else [message]


async def by_sdk(folder: Path, name: str, parameter: str, data: Datum) -> list[str]:
    """By the azure-functions SDK, with its own converters."""
    from azure.functions.queue import QueueMessageInConverter
    from azure.functions.timer import TimerRequestConverter

    engine = SdkEngine()
    await engine.index(AppLayout.read(folder))
    function = engine._functions[name]
    converter: Any = TimerRequestConverter if function.inputs[parameter] == "timerTrigger" else QueueMessageInConverter
    arguments = {parameter: converter.decode(data, trigger_metadata=METADATA)}
    try:
        result = function.call(**arguments) if function.is_async else asyncio.to_thread(function.call, **arguments)
        assert inspect.isawaitable(result)
        await result
    except Exception as error:  # noqa: BLE001 — reported as the worker reports it
        return [repr(error)]
    finally:
        engine.close()
    return []


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    engine, folder, name, parameter, kind, data = sys.argv[1:]
    run = {"worker": by_worker, "sdk": by_sdk}[engine]
    sys.stdout.write(json.dumps(asyncio.run(run(Path(folder), name, parameter, Datum(data, kind)))))
