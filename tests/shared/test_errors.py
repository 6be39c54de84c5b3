"""The error tree as HTTP: every error has a stable code, a status."""

from __future__ import annotations

import json

import pytest

from shared import errors
from shared.hosting.response import reply_to, reply_to_error
from shared.net.transport import Response


def test_an_error_is_problem_json_with_headers_of_its_kind() -> None:
    reply = reply_to_error(errors.InsufficientScope(["a", "b"]), "id-1", realm="tenant")
    assert reply.status_code == 403
    assert reply.mimetype == "application/problem+json"
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="tenant", error="insufficient_scope", scope="a b"'
    assert reply.headers["Cache-Control"] == "no-store"
    assert json.loads(reply.get_body()) == {
        "status": 403,
        "code": "insufficient_scope",
        "detail": errors.InsufficientScope.detail,
        "correlation_id": "id-1",
        "scopes": ["a", "b"],
    }


def test_retry_after_is_sent() -> None:
    assert reply_to_error(errors.ServiceUnavailable(retry_after=7), "id").headers["Retry-After"] == "7"


def test_an_unknown_failure_tells_the_caller_nothing() -> None:
    reply = reply_to_error(KeyError("internal detail"), "id-2")
    assert reply.status_code == 500
    assert b"internal detail" not in reply.get_body()
    assert json.loads(reply.get_body())["code"] == "internal_error"


@pytest.mark.parametrize(
    ("result", "status", "mimetype", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a": 1}'),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        (({"a": 1}, 201), 201, "application/json", b'{"a": 1}'),
        ("text", 200, "text/plain", b"text"),
        (None, 204, "text/plain", b""),
        (Response(207, {"Content-Type": "text/csv", "Set-Cookie": "x=1"}, b"a,b"), 207, "text/plain", b"a,b"),
    ],
)
def test_what_a_function_returns_becomes_the_reply(result: object, status: int, mimetype: str, body: bytes) -> None:
    reply = reply_to(result)
    assert (reply.status_code, reply.mimetype, reply.get_body()) == (status, mimetype, body)
    assert "Set-Cookie" not in reply.headers
