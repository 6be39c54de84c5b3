"""JSON for types that JSON lacks, such as datetime, UUID and dataclasses, and a sentence about those without a form.

The sentence names the key path and the type, never a value.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import isawaitable, iscoroutine, isgenerator
from pathlib import PurePath
from typing import Any
from uuid import UUID

import azure.functions as func

from ..errors import UnsendableError
from ..net import Response

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)  # any other key may be data: a mail address, an id
_MAX_PATH = 200
_NO_FORM = (
    "the function returned a value that contains itself, is nested too deeply, or has keys that JSON cannot carry"
)


def json_text(body: object) -> str:
    """The body as JSON (RFC 8259).

    - datetime, date, time: ISO 8601. timedelta: seconds.
    - UUID, Decimal, path: text. A Decimal as a number could lose digits.
    - Enum: its value. bytes: text, if they are UTF-8.
    - set, frozenset: an array, sorted if that is possible. deque: an array.
    - dataclass, pydantic model, any mapping: an object.
    - an API's response: its JSON.

    Raises:
        UnsendableError: JSON has no form for the body.
        BadGateway: the body holds an API's response that is not JSON.
    """
    try:
        try:
            return json.dumps(body, allow_nan=False, default=_plain)
        except TypeError:  # also for the keys of a dict, for which json does not call `default`
            return json.dumps(_with_plain_keys(body), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        if iscoroutine(body):
            body.close()  # otherwise Python warns later that it was never awaited
        raise UnsendableError(_why_not_json(body)) from None


def _plain(value: Any) -> object:
    """The value as a type that JSON has. Then `json` asks for its parts. Raises TypeError or ValueError."""
    if isinstance(value, _UnusableKey):
        raise TypeError
    if isinstance(value, Response):
        return value.json()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (UUID, PurePath)) or (isinstance(value, Decimal) and value.is_finite()):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    if isinstance(value, Set):
        return _in_order(value)
    if isinstance(value, deque):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if _is_pydantic_model(value):
        return value.model_dump(mode="json", by_alias=True, warnings=False)  # a warning repeats the value in the log
    raise TypeError


def _in_order(values: Set[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _is_pydantic_model(value: object) -> bool:
    """Whether the value is a pydantic model. Imports nothing: without the library loaded, no model exists."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _with_plain_keys(value: object) -> object:
    """The whole value in JSON's own types, with its keys. This is slower than `json` alone."""
    if isinstance(value, dict):
        return {_key(key): _with_plain_keys(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_plain_keys(part) for part in value]
    return value if _is_basic(value) else _with_plain_keys(_plain(value))


def _key(key: object) -> object:
    plain = key if _is_basic(key) else _plain(key)
    if isinstance(key, (bytes, bytearray)) or not _is_basic(plain):
        raise TypeError
    return plain


def _is_basic(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _why_not_json(body: object) -> str:
    """One sentence about the first value that JSON cannot carry."""
    open_parts: list[Iterator[tuple[str, object]]] = [iter([("", body)])]
    seen: dict[int, object] = {}  # with the objects themselves, so that no id is used twice
    while open_parts:
        path, value = next(open_parts[-1], (None, None))
        if path is None:
            open_parts.pop()
        elif isinstance(value, float) and not math.isfinite(value):
            return f"the function returned NaN or Infinity{_at(path)}; JSON has neither, return None instead"
        elif _is_basic(value) or id(value) in seen:
            continue
        else:
            seen[id(value)] = value
            try:
                open_parts.append(_parts(path, value))
            except (TypeError, ValueError):
                return f"the function returned {_kind_of(value)}{_at(path)}; {_advice(value)}"
    return _NO_FORM


def _parts(path: str, value: object) -> Iterator[tuple[str, object]]:
    """The parts of the value, each with its path. Raises TypeError or ValueError if JSON cannot carry the value."""
    path = path[-_MAX_PATH:]  # in something nested 100,000 deep, whole paths would take half a minute
    if isinstance(value, dict):
        return _members(path, value)
    if isinstance(value, (list, tuple)):
        return ((f"{path}[{place}]", part) for place, part in enumerate(value))
    return iter([(path, _plain(value))])


def _members(path: str, value: dict[Any, object]) -> Iterator[tuple[str, object]]:
    for key, part in value.items():
        try:
            _key(key)
        except (TypeError, ValueError):
            yield path, _UnusableKey(type(key).__name__)
        yield (f"{path}.{key}" if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) else f"{path}[*]"), part


class _UnusableKey:
    """The type of a key that JSON cannot carry, even where it could carry the same as a value."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name


def _kind_of(value: object) -> str:
    if isinstance(value, _UnusableKey):
        return f"a dict with a {value.type_name} as a key"
    return "an API's response" if isinstance(value, Response) else f"a {type(value).__name__}"


def _at(path: str) -> str:
    return f" at {path[-_MAX_PATH:]}" if path else ""


def _advice(value: object) -> str:
    if isinstance(value, _UnusableKey):
        return "make it a str"
    if isinstance(value, Response):
        return "it is not JSON, return its .text"
    if isinstance(value, BaseException):
        return "raise it instead"
    if isawaitable(value):
        return "await it in an async def function"
    if isinstance(value, (bytes, bytearray)):
        return "they are not UTF-8, return base64.b64encode(...).decode()"
    if isinstance(value, func.HttpResponse):
        return "return it alone; it has a status and headers of its own"
    if isgenerator(value):
        return "make it a list"
    return "JSON has no form for it, make it a dict, list, str, int, float, bool or None"
