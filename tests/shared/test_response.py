"""What a response of the transport says: its text, its JSON, and how long to wait."""

from __future__ import annotations

import pytest

from shared.net.transport import Response

NOW = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT


def test_text_is_utf_8_and_what_is_not_is_replaced() -> None:
    assert Response(200, {}, "grün".encode()).text == "grün"
    assert Response(200, {}, b"gr\xfcn").text == "gr\ufffdn"


def test_json_is_parsed_and_anything_else_is_a_value_error() -> None:
    assert Response(200, {}, b'{"a": [1]}').json() == {"a": [1]}
    with pytest.raises(ValueError, match=r"."):
        Response(200, {}, b"<html>").json()
    with pytest.raises(ValueError, match="nested too deeply"):
        Response(200, {}, b"[" * 200_000).json()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("0", 0),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 40, 3600),
        ("Sun, 09 Sep 2001 01:46:50 GMT", 11),
        ("Sun, 09 Sep 2001 01:46:40 GMT", 1),
        ("Sun, 09 Sep 2001 01:46:00 GMT", 0),
        ("Sun, 09 Sep 2029 01:46:00 GMT", 3600),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 09 Sep 2001 01:46:00 +99999999999999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(value: str, seconds: int | None) -> None:
    assert Response(429, {"Retry-After": value}, b"").retry_after(NOW) == seconds


def test_without_the_header_there_is_no_wait() -> None:
    assert Response(429, {}, b"").retry_after(NOW) is None
