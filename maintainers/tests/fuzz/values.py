"""Strategies for unusual texts, JSON and headers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .case import MARK

ODD = [
    "",
    " ",
    "\t",
    "\r\n",
    "\x00",
    "\u00a0",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\ud800",
    "\uff0e",
    "\u0301",
    "'",
    '"',
    "\\",
    "%",
    "{}",
    "&",
    ";",
]

T = TypeVar("T")


def one_of_these(values: Sequence[T]) -> SearchStrategy[T]:
    """As sampled_from, for values that are too long to be shown in the strategy's own name."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


texts: SearchStrategy[str] = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(ODD), max_size=4).map("".join),
    st.characters().map(lambda c: c * 20),
).map(lambda text: f"{MARK}{text}")
"""Any text, with the mark in front."""

words: SearchStrategy[str] = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789_-.ABC", min_size=1, max_size=12)

numbers: SearchStrategy[Any] = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 2**31, 2**40, 2**63, 10**300]),
)

json_values: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts | words, inner, max_size=4)),
    max_leaves=10,
)


def spoilt_json(value: Any, how: str) -> bytes:
    """Its JSON text, or what a sender might make of it."""
    text = json.dumps(value).encode()
    made = {
        "as it is": text,
        "cut": text[:-1],
        "twice": text * 2,
        "marked": b"\xef\xbb\xbf" + text,
        "wide": text.decode().encode("utf-16"),
        "broken": text + b"\xff",
        "deep": b"[" * 700 + text + b"]" * 700,
        "very deep": b'{"a":' * 3_000 + text + b"}" * 3_000,
        "open": b"[" * 50_000,
        "NaN": b'{"a":NaN,"b":' + text + b"}",
        "huge": b'{"a":1e999,"b":' + text + b"}",
        "digits": b'{"a":' + b"9" * 5_000 + b"}",
        "many digits": b'{"a":' + b"9" * 4_300 + b"}",
        "twins": b'{"a":1,"a":' + text + b"}",
        "raw": json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        "empty": b"",
    }
    return made[how]


SPOILINGS = (
    "as it is", "cut", "twice", "marked", "wide", "broken", "deep", "very deep", "open", "NaN", "huge", "digits",
    "many digits", "twins", "raw", "empty",
)  # fmt: skip

bodies: SearchStrategy[bytes] = st.one_of(
    st.builds(spoilt_json, json_values, st.sampled_from(SPOILINGS)),
    st.binary(max_size=60),
)

header_values: SearchStrategy[str] = st.one_of(
    st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60),
    texts.map(lambda text: "".join(c for c in text if " " <= c <= "\xff" and c != "\x7f")),
)
"""What http.client passes on from a response: Latin-1 in one line."""
