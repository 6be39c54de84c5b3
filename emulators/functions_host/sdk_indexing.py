"""What Microsoft's worker checks when it indexes an app, for Pythons that its library does not support.

A function that the worker refuses in Azure must be refused here, in the same words. The checks are those of
azure_functions_runtime 1.3.0, functions.py and loader.py, without bindings to SDK types. The annotations are
binding_types.py's part.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from emulators.functions_host.binding_types import (
    INOUT,
    OUT,
    FunctionLoadError,
    check_parameter,
    check_return,
    has_implicit_output,
)


@dataclass(frozen=True)
class LoadedFunction:
    """A user's function and how it is to be called."""

    call: Callable[..., Any]
    name: str
    directory: str
    is_async: bool
    requires_context: bool
    has_return: bool
    inputs: Mapping[str, str]  # parameter → binding type
    outputs: tuple[str, ...]
    raw_bindings: tuple[str, ...]


def load_functions(module: ModuleType, script: str) -> list[LoadedFunction]:
    """The checked functions of the one app a script defines. Raises ValueError, FunctionLoadError or NameError."""
    from azure.functions import FunctionRegister

    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) > 1:
        kind = type(apps[0]).__name__
        raise ValueError(f"More than one {kind} or other top level function app instances are defined.")
    if not apps:
        raise ValueError(f"Could not find top level function app instances in {script}.")
    return [_load(function) for function in apps[0].get_functions()]


def _load(function: Any) -> LoadedFunction:
    call, name = function.get_user_function(), function.get_function_name()
    parameters = dict(inspect.signature(call).parameters)
    annotations = typing.get_type_hints(call)
    bindings = {binding.name: binding for binding in function.get_bindings()}
    for binding in bindings.values():
        _check_direction(binding, name)
    returned = bindings.pop("$return", None)
    implicit = [binding for binding in bindings.values() if has_implicit_output(binding.type)]
    requires_context = _takes_context(parameters, bindings, annotations, name)
    _check_names(set(parameters), set(bindings), name)
    types = {key: check_parameter(bindings[key], key, annotations, name) for key in parameters}
    if returned is not None and "return" in annotations:
        check_return(returned.type, annotations["return"], name)
    return LoadedFunction(
        call=call,
        name=name,
        directory=str(Path(inspect.getfile(call)).parent),
        is_async=inspect.iscoroutinefunction(call),
        requires_context=requires_context,
        has_return=returned is not None or bool(implicit),
        inputs={key: kind for key, kind in types.items() if bindings[key].direction != OUT},
        outputs=tuple(key for key in types if bindings[key].direction == OUT),
        raw_bindings=tuple(function.get_raw_bindings()),
    )


def _check_direction(binding: Any, function: str) -> None:
    if binding.direction == INOUT:
        raise FunctionLoadError(function, '"inout" bindings are not supported')
    if binding.name == "$return" and binding.direction != OUT:
        raise FunctionLoadError(function, '"$return" binding must have direction set to "out"')


def _takes_context(
    parameters: dict[str, Any], bindings: Mapping[str, Any], hints: Mapping[str, Any], name: str
) -> bool:
    """Whether the function wants the invocation's context; if so, `context` is taken out of `parameters`."""
    if "context" not in parameters or "context" in bindings:
        return False
    del parameters["context"]
    hint = hints.get("context")
    if "context" in hints and (not isinstance(hint, type) or hint.__name__ != "Context"):
        raise FunctionLoadError(
            name, f'the "context" parameter is expected to be of type azure.functions.Context, got "{hint!r}"'
        )
    return True


def _check_names(parameters: set[str], bindings: set[str], function: str) -> None:
    if parameters - bindings:
        raise FunctionLoadError(
            function,
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators):  {parameters - bindings!r}",
        )
    if bindings - parameters:
        raise FunctionLoadError(
            function,
            "Extra parameters in binding definition — the following parameters are declared as bindings but are not "
            f"present in Python: {bindings - parameters!r}",
        )
