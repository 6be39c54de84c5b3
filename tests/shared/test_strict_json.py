from __future__ import annotations

import pytest

from shared.strict_json import parse_object


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
