"""What is read from a request: one bearer token, and JSON."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest

from shared.errors import BadRequest, MissingToken
from shared.hosting.request import json_body
from shared.requires_user import bearer_token, check_form


def request(body: bytes = b"", **headers: str) -> func.HttpRequest:
    return func.HttpRequest("POST", "https://api.example/api/me", headers=headers, body=body)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("token", ["a.b.c", "A-Z_0~9+/==", "x"])
def test_the_token_of_the_authorization_header(scheme: str, token: str) -> None:
    for spaces in (" ", "   "):
        assert bearer_token(request(Authorization=f"{scheme}{spaces}{token}")) == token
    check_form(token)


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", "Bearera.b.c", "Bearer\ta.b.c", " Bearer a.b.c", "Bearer a.b.c ", "Bearer a.b.c\n",
        "Bearer a b", "Bearer a,b", "Bearer a.b.c, Bearer d.e.f", "Bearer =", "Bearer a=b", "Bearer \u00e9",
        "Bearer \u0661", "Basic YTpi", "Bearer \"a.b.c\"", "a.b.c", "Bearer Bearer a.b.c", "B\u0435arer a.b.c",
    ],
)  # fmt: skip
def test_any_other_header_holds_no_token(header: str) -> None:
    with pytest.raises(MissingToken) as raised:
        check_form(bearer_token(request(Authorization=header)))
    assert (raised.value.status, raised.value.challenge()) == (401, {})
    assert "a.b.c" not in f"{raised.value}"


def test_a_token_elsewhere_does_not_count() -> None:
    """RFC 6750 §2.2 and §2.3, in the body or the query, are not for an API."""
    with pytest.raises(MissingToken):
        bearer_token(
            func.HttpRequest("POST", "https://api.example", params={"access_token": "a"}, body=b"access_token=a")
        )


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'{"a": [1, null]}', {"a": [1, None]}), (b"[]", []), (b"0", 0), (b"false", False), (b'"\xc3\xa9"', "\u00e9"),
     (b' {"a": 1, "a": 2} ', {"a": 2})],
)  # fmt: skip
def test_a_json_body(body: bytes, value: Any) -> None:
    assert json_body(request(body)) == value


@pytest.mark.parametrize("body", [b"", b"{", b"a=b", b"NaN", b"1e999", b"\xff", b"{} {}", b"[" * 100_000])
def test_any_other_body_is_a_bad_request_that_repeats_nothing_of_it(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^bad_request$") as raised:
        json_body(request(body))
    assert (raised.value.status, raised.value.detail) == (400, "The body must be JSON.")
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, b"", "The body must be JSON."),
        ({"Content-Length": "1"}, b"{", "The body must be JSON."),
        ({"Transfer-Encoding": "chunked"}, b"", "Send it with a Content-Length header."),
        ({"transfer-encoding": "gzip, Chunked"}, b"", "Send it with a Content-Length header."),
        ({"Transfer-Encoding": "gzip"}, b"", "The body must be JSON."),
    ],
)
def test_a_body_that_is_no_json_is_refused_in_words_that_help(headers: dict[str, str], body: bytes, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        json_body(request(body, **headers))
    assert refused.value.detail.endswith(words)


def test_a_chunked_body_that_arrives_all_the_same_is_taken() -> None:
    assert json_body(request(b"[1]", **{"Transfer-Encoding": "chunked"})) == [1]
