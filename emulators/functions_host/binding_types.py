"""Whether the annotations of a function fit its bindings, judged as the worker judges and in its words."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

OUT = 1
INOUT = 2


class FunctionLoadError(RuntimeError):
    """The signature of a function and its bindings do not fit together."""

    def __init__(self, function_name: str, reason: str) -> None:
        super().__init__(f"cannot load the {function_name} function: {reason}")


def check_parameter(binding: Any, parameter: str, hints: Mapping[str, Any], function: str) -> str:
    """Under which binding type a parameter gets its value, if its annotation fits. Raises FunctionLoadError."""
    if parameter not in hints:
        return str(binding.type)
    hint = hints[parameter]
    is_out = getattr(typing.get_origin(hint) or hint, "__name__", "") == "Out"
    if is_out and len(typing.get_args(hint)) != 1:
        raise FunctionLoadError(function, f"binding {parameter} has invalid Out annotation {hint!r}")
    kind = typing.get_args(hint)[0] if is_out else hint
    if not isinstance(kind, type) and not _is_generic(kind):
        raise FunctionLoadError(function, f"binding {parameter} has invalid non-type annotation {hint!r}")
    if is_out != (binding.direction == OUT):
        raise FunctionLoadError(function, _wrong_way(parameter, is_out))
    plain = kind in (str, bytes) and not has_implicit_output(binding.type)
    binding_type = "generic" if plain else str(binding.type)
    if not _accepts(binding_type, kind, is_out):
        raise FunctionLoadError(function, _wrong_type(binding, parameter, kind))
    return binding_type


def check_return(binding_type: str, hint: Any, function: str) -> None:
    """Whether the annotation of the returned value fits the $return binding. Raises FunctionLoadError."""
    if getattr(typing.get_origin(hint), "__name__", "") == "Out":
        raise FunctionLoadError(function, "return annotation should not be azure.functions.Out")
    if not isinstance(hint, type):
        raise FunctionLoadError(function, f"has invalid non-type return annotation {hint!r}")
    if not _accepts(binding_type, hint, is_out=True):
        raise FunctionLoadError(
            function, f'Python return annotation "{_name(hint)}" does not match binding type "{binding_type}"'
        )


def _wrong_way(parameter: str, is_out: bool) -> str:
    if is_out:
        return (
            f'binding {parameter} is declared to have the "in" direction in the binding decorator, '
            "but its annotation is azure.functions.Out in Python"
        )
    return (
        f'binding {parameter} is declared to have the "out" direction, '
        "but its annotation in Python is not a subclass of azure.functions.Out"
    )


def _wrong_type(binding: Any, parameter: str, kind: Any) -> str:
    if binding.data_type != 0:  # the worker treats "none given" as "given", so people see this message
        return (
            f'binding type "\'{parameter}\'" and dataType "{binding.type}" in the binding decorator do not match '
            f"the corresponding function parameter's Python type annotation {_name(kind)}"
        )
    return (
        f'type of {parameter} binding in the binding decorator "{binding.type}" '
        f'does not match its Python annotation "{_name(kind)}"'
    )


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _is_generic(kind: Any) -> bool:
    """Whether it is a generic of `typing`; `list[int]` and unions are something else to the worker."""
    origin = typing.get_origin(kind)
    unions = (typing.Union, types.UnionType, tuple, Callable)
    return origin is not None and origin not in unions and not isinstance(kind, types.GenericAlias)


def _converter(binding_type: str) -> Any:
    from azure.functions import get_binding_registry

    return get_binding_registry().get(binding_type)


def has_implicit_output(binding_type: str) -> bool:
    """Whether a function with such a binding may return a value without a $return binding."""
    converter = _converter(binding_type)
    if converter is None:  # a generic binding: all but this one may be returned
        return binding_type != "durableClient"
    return bool(getattr(converter, "has_implicit_output", lambda: False)())


def _accepts(binding_type: str, kind: Any, is_out: bool) -> bool:
    converter = _converter(binding_type)
    if converter is None:
        return issubclass(kind, (str, bytes, bytearray) if is_out else (str, bytes))
    check = converter.check_output_type_annotation if is_out else converter.check_input_type_annotation
    return bool(check(kind))
