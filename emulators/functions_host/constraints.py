"""The inline constraints of a route template, `{id:int}` or `{code:length(2,3)}`, as ASP.NET Core defines them.

Source: https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

Constraint = Callable[[str], bool]

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,40}\s*")
_DECIMAL = re.compile(r"\s*[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*")
_DOUBLE = re.compile(r"\s*[+-]?(([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|infinity|nan)\s*", re.IGNORECASE)
_HEX = "[0-9a-f]"
_GUID_BODY = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_GUID = re.compile(rf"{_HEX}{{32}}|{_GUID_BODY}|\{{{_GUID_BODY}\}}|\({_GUID_BODY}\)", re.IGNORECASE)
_CALL = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)


class ConstraintError(Exception):
    """The template names a constraint that the host's router does not know, or gives it the wrong arguments."""


def constraint(expression: str) -> Constraint:
    """The test behind one expression such as `int`, `min(18)` or `regex(^a+$)`. Raises ConstraintError."""
    found = _CALL.fullmatch(expression)
    name, argument = (found[1].lower(), found[2]) if found else (expression, None)
    try:
        if argument is None:
            return _PLAIN[name]
        if name == "regex":
            pattern = re.compile(argument, re.IGNORECASE)
            return lambda value: pattern.search(value) is not None
        return _NUMBERED[name](*(int(number) for number in argument.split(",")))
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise ConstraintError(f"the constraint reference {expression!r} could not be resolved") from error


def _whole_number(bits: int) -> Constraint:
    bound = 1 << (bits - 1)
    return lambda value: _WHOLE.fullmatch(value) is not None and -bound <= int(value) < bound


_is_long = _whole_number(64)


def _is_datetime(value: str) -> bool:
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"):
        try:
            datetime.strptime(value.strip().replace("T", " ").removesuffix("Z"), form)
        except ValueError:
            continue
        return True
    return False


def _length(low: int, high: int | None = None) -> Constraint:
    return lambda value: low <= len(value) <= (low if high is None else high)


def _range(low: int, high: int) -> Constraint:
    return lambda value: _is_long(value) and low <= int(value) <= high


def _min(low: int) -> Constraint:
    return lambda value: _is_long(value) and int(value) >= low


def _max(high: int) -> Constraint:
    return lambda value: _is_long(value) and int(value) <= high


_PLAIN: dict[str, Constraint] = {
    "alpha": lambda value: re.fullmatch("[a-z]*", value, re.IGNORECASE) is not None,
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "datetime": _is_datetime,
    "decimal": lambda value: _DECIMAL.fullmatch(value) is not None,
    "double": lambda value: _DOUBLE.fullmatch(value) is not None,
    "float": lambda value: _DOUBLE.fullmatch(value) is not None,
    "guid": lambda value: _GUID.fullmatch(value.strip()) is not None,
    "int": _whole_number(32),
    "long": _is_long,
    "required": lambda value: value != "",
}

_NUMBERED: dict[str, Callable[..., Constraint]] = {
    "length": _length,
    "minlength": lambda low: lambda value: len(value) >= low,
    "maxlength": lambda high: lambda value: len(value) <= high,
    "min": _min,
    "max": _max,
    "range": _range,
}
