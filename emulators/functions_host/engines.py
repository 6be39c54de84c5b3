"""Which engine serves an app."""

from __future__ import annotations

from emulators.functions_host import worker_library
from emulators.functions_host.model import Engine, EngineError

IN_PROCESS = ("worker", "sdk")


def in_process_engine(name: str = "auto") -> Engine:
    """The engine of that name; "auto" takes Microsoft's worker library where it is installed. Raises EngineError."""
    if name == "auto":
        name = "worker" if worker_library.is_installed() else "sdk"
    if name == "worker":
        if not worker_library.is_installed():
            raise EngineError("the worker engine needs Python 3.13 or newer and the package azure-functions-runtime")
        from emulators.functions_host.worker_engine import WorkerEngine

        return WorkerEngine()
    if name != "sdk":
        raise EngineError(
            f"there is no engine {name!r} that runs in this process; choose one of {', '.join(IN_PROCESS)}"
        )
    from emulators.functions_host.sdk_engine import SdkEngine

    return SdkEngine()
