"""JSON objects in which nothing can be read in two ways: the parts of a token."""

from __future__ import annotations

import json
from typing import Any


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object that these UTF-8 bytes are.

    Raises:
        ValueError: not UTF-8, not JSON (NaN and Infinity are not), no object, nested too deeply, or with twin members.
    """
    try:
        parsed = json.loads(text.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    return parsed


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 §4: names are unique. Two parsers that choose differently between twins can be played off."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("twin members")
    return members


def _no_constant(_: str) -> None:
    raise ValueError("not a JSON number")  # NaN compares false with every time
