"""Claims challenges as downstream APIs send them, and claims requests as Entra takes them."""

from __future__ import annotations

import base64
import json

import pytest

from shared.net.claims_challenge import (
    MAX_CLAIMS_CHARS,
    auth_context_claims,
    bearer_challenges,
    claims_of,
    requested_claims,
)
from shared.net.transport import Response

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1?>~"}}}'
ENCODED = base64.b64encode(CLAIMS.encode()).decode()


def challenged(header: str, status: int = 401) -> str:
    return claims_of(Response(status, {"WWW-Authenticate": header}, b""))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        f'Bearer realm="", error="insufficient_claims", claims="{ENCODED}"',
        f'Bearer error="insufficient_claims",claims="{ENCODED}"',
        f'bearer ERROR="insufficient_claims" , Claims="{ENCODED}"',
        f'BEARER claims="{ENCODED}", error=insufficient_claims',
        f'Bearer error="insufficient\\_claims", claims="{ENCODED}"',
        f'Bearer error = "insufficient_claims", claims\t=\t"{ENCODED}"',
        f'Bearer error="insufficient_claims", claims="{ENCODED.rstrip("=")}"',
        f'Bearer error="insufficient_claims", claims="{ENCODED.replace("+", "-").replace("/", "_")}"',
        f'Basic realm="a, b", Bearer error="insufficient_claims", claims="{ENCODED}", Negotiate',
        f'Negotiate, Bearer realm="x", error="insufficient_claims", claims="{ENCODED}"',
        f'Bearer error="invalid_token", Bearer error="insufficient_claims", claims="{ENCODED}"',
        f'Bearer error="insufficient_claims", claims="{ENCODED}", Basic realm="x"',
        f', ,, Bearer error="insufficient_claims", @, claims="{ENCODED}"',
        f'Bearer error="insufficient_claims", claims="{ENCODED}", claims="{encoded("{}")}", error="other"',
        f'Bearer realm="a\\"b, error=\\"x", error="insufficient_claims", claims="{ENCODED}"',
    ],
)
def test_a_claims_challenge_is_found(header: str) -> None:
    assert "+" in ENCODED or "/" in ENCODED  # so that base64url differs
    assert challenged(header) == CLAIMS


@pytest.mark.parametrize(
    "header",
    [
        f'Basic error="insufficient_claims", claims="{ENCODED}"',
        f'error="insufficient_claims", claims="{ENCODED}"',
        f'Bearer error="invalid_token", claims="{ENCODED}"',
        f'Bearer error="insufficient_claims", Basic claims="{ENCODED}"',
        f'Bearer error="insufficient_claims", claims="{ENCODED}!"',
        f'Bearer error="insufficient_claims", claims="{ENCODED[1:]}"',
        f'Bearer error="insufficient_claims", claims="{encoded("[]")}"',
        f'Bearer error="insufficient_claims", claims="{encoded("{}")}"',
        f'Bearer error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode("utf-16")).decode()}"',
        f'Bearer error="insufficient_claims", claims="{base64.b64encode(bytes([0xFF, 0xFE])).decode()}"',
        f'Bearer error="insufficient_claims", claim="{ENCODED}"',
        'Bearer error="insufficient_claims"',
        "",
    ],
)
def test_anything_else_is_none(header: str) -> None:
    assert challenged(header) == ""


@pytest.mark.parametrize("status", [200, 400, 403, 402, 500])
def test_only_a_401_challenges(status: int) -> None:
    assert challenged(f'Bearer error="insufficient_claims", claims="{ENCODED}"', status) == ""
    assert claims_of(Response(401, {}, b"")) == ""


def of_length(length: int) -> str:
    """A claims request of so many characters, compact already."""
    frame = '{"access_token":{"x":""}}'
    return frame.replace('""', f'"{"a" * (length - len(frame))}"')


def test_a_claims_request_has_4_kib_at_most() -> None:
    assert MAX_CLAIMS_CHARS == 4096
    longest = of_length(4096)
    assert requested_claims(longest) == longest
    assert challenged(f'Bearer error="insufficient_claims", claims="{encoded(longest)}"') == longest
    assert requested_claims(of_length(4097)) == ""
    assert challenged(f'Bearer error="insufficient_claims", claims="{encoded(of_length(4097))}"') == ""


def test_a_header_is_read_for_16_kib() -> None:
    start, end = 'Bearer error="insufficient_claims", a=', f', claims="{ENCODED}"'
    longest = start + "b" * (16 * 1024 - len(start) - 1)  # so that what follows begins within
    assert challenged(longest + end) == CLAIMS
    assert challenged(longest + "b" + end) == ""


def test_each_challenge_has_its_own_parameters() -> None:
    header = 'Bearer a=1, b="2\\\\", Basic c=3, BEARER d=, D=4, Bearer e="'
    assert list(bearer_challenges(header)) == [{"a": "1", "b": "2\\"}, {"d": ""}, {"e": ""}]
    assert list(bearer_challenges('Basic a=1, Digest b="Bearer c=2"')) == []


@pytest.mark.parametrize(
    ("text", "compact"),
    [
        (' { "access_token" : { "acrs" : null } } ', '{"access_token":{"acrs":null}}'),
        ('{"a":{},"b":{"c":[1]}}', '{"a":{},"b":{"c":[1]}}'),
    ],
)
def test_a_claims_request_is_an_object_of_objects(text: str, compact: str) -> None:
    assert requested_claims(text) == compact


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "{", '{"a":1}', '{"a":{},"b":[]}', '{"a":{},"a":{}}', '{"a":{"b":NaN}}', '{"\ud800":{}}'],
)
def test_any_other_text_is_no_claims_request(text: str) -> None:
    assert requested_claims(text) == ""


def test_no_more_than_32_kib_of_a_header_are_looked_at() -> None:
    """A part of a batch response can have one of 16 MiB."""
    (challenge,) = bearer_challenges(f"Bearer a={'x' * 100_000}")
    assert len(challenge["a"]) < 32 * 1024


def test_the_request_for_an_authentication_context_is_the_documented_one() -> None:
    text = auth_context_claims("c1")
    assert json.loads(text) == {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    assert requested_claims(text) == text


def test_what_grows_beyond_4_kib_as_compact_text_is_refused() -> None:
    """JSON writes one character beyond ASCII as six, and the result must fit into a response header."""
    text = '{"access_token":{"x":"' + "\u20ac" * 1000 + '"}}'
    assert len(text) < MAX_CLAIMS_CHARS
    assert requested_claims(text) == ""
    assert requested_claims(text.replace("\u20ac" * 500, "")) != ""
