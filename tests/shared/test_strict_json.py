from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.net.strict_json import compact, parse_body, parse_object


def test_an_object_is_read() -> None:
    assert parse_object('{"a": 1, "b": {"c": "é"}}'.encode()) == {"a": 1, "b": {"c": "é"}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"\xef\xbb\xbf{}",
    ],
    ids=[
        "empty",
        "list",
        "number",
        "text",
        "cut",
        "twins",
        "inner twins",
        "NaN",
        "Infinity",
        "too large",
        "not UTF-8",
        "a surrogate in UTF-8",
        "deep",
        "BOM",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(text)


def test_all_that_is_plain_is_read() -> None:
    assert parse_object(b'{"a": 1.5e3, "b": [-0.25, 12345678901234567890, true, null], "c": {}}') == {
        "a": 1500.0,
        "b": [-0.25, 12345678901234567890, True, None],
        "c": {},
    }


@pytest.mark.parametrize("text", [b"[]", b"0", b'"x"', b"null", b'{"a": {"b": 2.5}}'])
def test_a_body_may_be_any_json(text: bytes) -> None:
    assert parse_body(text) == json.loads(text)


def test_of_equal_members_in_a_body_the_last_counts_as_everywhere() -> None:
    assert parse_body(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("parse", [parse_object, parse_body])
@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -1e999}', b'{"a": "\xff"}', b'{"a":' * 100_000],
)
def test_what_cannot_be_sent_on_is_refused(parse: Callable[[bytes], object], text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}'), ("é", '"\\u00e9"'), (1.5, "1.5"), ([], "[]")],
)
def test_compact_text_reads_back_the_same(value: object, text: str) -> None:
    assert compact(value) == text
    assert json.loads(text) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_cannot_express_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        compact(value)


def test_what_is_nested_too_deeply_is_not_written() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match="nested too deeply"):
        compact(nested)
