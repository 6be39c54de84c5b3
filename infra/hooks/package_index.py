"""Imports one script of an unpacked package and indexes its functions; writes what happened to a file, as JSON.

package_check.py starts it as `python -I -S package_index.py FOLDER SCRIPT PACKAGES WORKER RESULT`: the interpreter sees
its standard library, the package, what requirements.txt names, and nothing else. No setting of the app is there.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_AZURE = re.compile(r"\s*(?:from|import)\s+(azure(?:\.\w+)+)")
# The rest of the message is a path in the unpacked package, which is deleted.
_SUBMODULE = re.compile(
    r"cannot import name '(?P<name>\w+)' from (partially initialized module )?'(?P<package>[\w.]+)'"
    r"( \(most likely due to a circular import\))?"
)


def main(folder: str, script: str, packages: str, worker: str, result: str) -> None:
    os.chdir(folder)
    os.environ["PYTHON_SCRIPT_FILE_NAME"] = script
    sys.path[:0] = [folder, packages]
    try:
        module = importlib.import_module(script[: -len(".py")])
        outcome: dict[str, Any] = {"functions": index(module, Path(folder), Path(worker))}
    except BaseException as error:  # noqa: BLE001 - whatever the app does when it is imported, SystemExit included
        outcome = described(error, folder)
    Path(result).write_text(json.dumps(outcome), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a thread that the app has started must not keep this process


def index(module: ModuleType, folder: Path, worker: Path) -> list[str]:
    """The names of the functions. Raises what the worker library raises, or ValueError."""
    if (worker / "azure_functions_runtime").is_dir():
        sys.path.append(str(worker))  # after the import: the app must not find these packages
        return asyncio.run(index_by_worker(folder))
    return index_by_sdk(module)


async def index_by_worker(folder: Path) -> list[str]:
    """With Microsoft's worker library, called as its own host calls it."""
    library: Any = importlib.import_module("azure_functions_runtime")
    init = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": Messages()}
    )
    outcome = await library.worker_init_request(request)
    if outcome.result.status != StatusResult.Success:
        raise ValueError(outcome.result.exception.message)
    metadata = await library.functions_metadata_request(None)
    return [function.name for function in metadata.function_metadata_results or ()]


def index_by_sdk(module: ModuleType) -> list[str]:
    """By the azure-functions package, for Pythons that the worker library does not support."""
    register: Any = importlib.import_module("azure.functions").FunctionRegister
    apps = [value for value in vars(module).values() if isinstance(value, register)]
    if len(apps) != 1:
        raise ValueError(f"there are {len(apps)} function apps at the top level of the script; there must be one")
    functions = apps[0].get_functions()
    for function in functions:
        check_parameters(function)
    return [function.get_function_name() for function in functions]


def check_parameters(function: Any) -> None:
    """A function takes exactly what is bound to it, and `context` if it likes. Raises ValueError."""
    bound = {binding.name for binding in function.get_bindings()} - {"$return"}
    taken = set(inspect.signature(function.get_user_function()).parameters) - ({"context"} - bound)
    if taken != bound:
        raise ValueError(f"the function {function.get_function_name()} takes {taken}, and bound to it are {bound}")


class StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1


class BindingInfo(SimpleNamespace):
    out = 1
    inout = 2
    undefined = 0


class Messages:
    """Replaces the protobuf classes of the worker's host. The library only sets their fields."""

    StatusResult = StatusResult
    BindingInfo = BindingInfo

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


def described(error: BaseException, folder: str) -> dict[str, str | None]:
    """What package_check.py needs to say what to do."""
    places = [
        f"{Path(frame.filename).relative_to(folder).as_posix()}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder)
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        places.append(f"{Path(error.filename).relative_to(folder).as_posix()}, line {error.lineno}")
    message = getattr(error, "msg", None) or str(error)
    submodule = _SUBMODULE.match(message) if isinstance(error, ImportError) else None
    return {
        "type": type(error).__name__,
        "message": submodule[0] if submodule else message,
        "module": absent_module(error) if isinstance(error, ModuleNotFoundError) else own_submodule(submodule, folder),
        "file": os.path.relpath(error.filename, folder).replace(os.sep, "/")
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str)
        else None,
        "where": places[-1] if places else None,
    }


def absent_module(error: ModuleNotFoundError) -> str | None:
    """The module that was not found. For one of Azure the whole name: Python names `azure.storage` alone."""
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    named = _AZURE.match(line)
    return named[1] if named and error.name and f"{named[1]}.".startswith(f"{error.name}.") else error.name


def own_submodule(found: re.Match[str] | None, folder: str) -> str | None:
    """The module that `from package import name` may have meant, where the package is one of the app's."""
    places = getattr(sys.modules.get(found["package"]), "__path__", ()) if found else ()
    is_own = any(Path(place).is_relative_to(folder) for place in places)
    return f"{found['package']}.{found['name']}" if found and is_own else None


if __name__ == "__main__":
    main(*sys.argv[1:])
