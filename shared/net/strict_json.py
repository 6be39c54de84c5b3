"""Parses JSON strictly: UTF-8, no NaN, no huge numbers. `parse_object` also refuses duplicate members."""

from __future__ import annotations

import json
import math
from typing import Any


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object in these UTF-8 bytes.

    Raises:
        ValueError: the errors of parse_body; or the value is not an object, or has duplicate members.
    """
    parsed = _parse(text, _WITHOUT_DUPLICATES)
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    return parsed


def parse_body(text: bytes) -> Any:
    """The JSON value in a request's body. `compact` can write it again.

    Raises:
        ValueError: not UTF-8, not JSON (NaN and Infinity are not), nested too deeply, or with a number out of range.
    """
    return _parse(text, _ANY)


def compact(value: Any) -> str:
    """The value as JSON text without spaces. Raises ValueError when JSON cannot express it."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse(text: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number too large")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 §4: names are unique. Of two duplicates, two parsers may choose different ones."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate members")
    return members


def _no_constant(_: str) -> None:
    raise ValueError("not a JSON number")  # comparisons of NaN with a time are always false


# Created once: json.loads would create one for each text.
_ANY = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_WITHOUT_DUPLICATES = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
)
