"""What the caller reads when the body is not JSON."""

from __future__ import annotations

import azure.functions as func
import pytest

from shared.errors import BadRequest
from shared.http_request import json_body


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
    request = func.HttpRequest("POST", "https://api.test/api/orders", headers=headers, body=body)
    with pytest.raises(BadRequest) as refused:
        json_body(request)
    assert refused.value.detail.endswith(words)


def test_a_chunked_body_that_arrives_all_the_same_is_taken() -> None:
    request = func.HttpRequest("POST", "https://api.test/", headers={"Transfer-Encoding": "chunked"}, body=b"[1]")
    assert json_body(request) == [1]
