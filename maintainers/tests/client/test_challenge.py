"""WWW-Authenticate, by the grammar of RFC 9110, and the claims challenge in it."""

from __future__ import annotations

import base64
import json

import pytest

from client.challenge import Challenge, parse_challenges, requested_claims

CLAIMS = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
ENCODED = base64.b64encode(json.dumps(CLAIMS).encode()).decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        (", ,", []),
        ("Negotiate", [Challenge("Negotiate")]),
        ("Negotiate YWJj==", [Challenge("Negotiate", token68="YWJj==")]),
        ("Bearer", [Challenge("Bearer")]),
        ('Bearer realm="a"', [Challenge("Bearer", {"realm": "a"})]),
        ("Bearer realm=a", [Challenge("Bearer", {"realm": "a"})]),
        ('Bearer realm="a, Basic b=\\"c\\""', [Challenge("Bearer", {"realm": 'a, Basic b="c"'})]),
        ('Bearer ReAlM = "a" ,  error\t=\t"b",', [Challenge("Bearer", {"realm": "a", "error": "b"})]),
        ('Bearer realm=""', [Challenge("Bearer", {"realm": ""})]),
        (
            'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
            [
                Challenge("Newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                Challenge("Basic", {"realm": "simple"}),
            ],
        ),
        ("Negotiate, Bearer a=b, Basic", [Challenge("Negotiate"), Challenge("Bearer", {"a": "b"}), Challenge("Basic")]),
        ('Negotiate YQ==, Bearer a="b"', [Challenge("Negotiate", token68="YQ=="), Challenge("Bearer", {"a": "b"})]),
    ],
)
def test_the_grammar(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


@pytest.mark.parametrize(
    "header",
    ['realm="a"', 'Bearer realm="a', 'Bearer realm="a" error="b"', "Bearer =a", 'Bearer a="b", a="c"', "Bearer (a)"],
)
def test_what_is_not_the_grammar_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="WWW-Authenticate"):
        parse_challenges(header)


@pytest.mark.parametrize(
    "encoded",
    [ENCODED, ENCODED.rstrip("="), base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode()],
    ids=["standard", "without padding", "URL alphabet"],
)
def test_claims_are_decoded(encoded: str) -> None:
    header = f'Basic realm="x", bearer realm="t", error="insufficient_claims", claims="{encoded}"'

    text = requested_claims(header)

    assert text is not None
    assert json.loads(text) == CLAIMS


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        'Bearer error="invalid_token"',
        f'Bearer error="invalid_token", claims="{ENCODED}"',
        f'PoP error="insufficient_claims", claims="{ENCODED}"',
        'Bearer error="insufficient_claims"',
    ],
)
def test_other_challenges_ask_for_no_claims(header: str | None) -> None:
    assert requested_claims(header) is None


@pytest.mark.parametrize(
    "claims", ["%%%", "", base64.b64encode(b"[1]").decode(), base64.b64encode(b"no json").decode()]
)
def test_claims_that_cannot_be_read_are_an_error(claims: str) -> None:
    with pytest.raises(ValueError, match="claims in WWW-Authenticate"):
        requested_claims(f'Bearer error="insufficient_claims", claims="{claims}"')
