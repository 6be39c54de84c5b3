"""One signing key by itself: no other check has seen the token."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from shared.errors import InvalidToken
from shared.validation.jws import SigningKey, parse_key_set
from tests.support.tokens import STRANGER, encoded, signed

HEADER, CLAIMS = {"alg": "RS256", "kid": "x"}, {"sub": "alice"}
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_what_it_signed_has_a_payload() -> None:
    assert SigningKey(STRANGER.public_key()).verify(signed(HEADER, CLAIMS)) == b'{"sub": "alice"}'


@pytest.mark.parametrize(
    "token",
    [
        signed(HEADER, CLAIMS, OTHER),
        signed({**HEADER, "alg": "RS512"}, CLAIMS),
        signed({**HEADER, "alg": "none"}, CLAIMS),
        f"{encoded({**HEADER, 'alg': 'none'})}.{encoded(CLAIMS)}.",
        signed(HEADER, CLAIMS)[:-4],
        "a.b.c",
        "",
    ],
    ids=["another key", "RS512", "none, signed", "none", "cut", "no token", "empty"],
)
def test_anything_else_is_an_invalid_token_and_is_not_quoted(token: str) -> None:
    with pytest.raises(InvalidToken, match="signature: ") as raised:
        SigningKey(STRANGER.public_key()).verify(token)
    assert "alice" not in f"{raised.value!r}{raised.value.__cause__!r}"
    assert raised.value.__suppress_context__


KEY = {"kid": "one", **json.loads(RSAAlgorithm.to_jwk(OTHER.public_key()))}
_SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 — it is to be passed over
SMALL = json.loads(RSAAlgorithm.to_jwk(_SMALL.public_key()))


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {"one": KEY}}, {"keys": "one"}])
def test_a_document_without_a_list_of_keys_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a key set"):
        parse_key_set(document)


@pytest.mark.parametrize(
    "entry",
    [
        "one",
        {**KEY, "kid": 1},
        {**KEY, "use": "enc"},
        {**KEY, "alg": "RS512"},
        {**KEY, "key_ops": ["sign"]},
        {**KEY, "key_ops": "verify"},
        {**KEY, "issuer": 1},
        {**KEY, "n": "!"},
        {**KEY, "kty": "EC"},
        {**KEY, "kty": "oct", "k": "c2VjcmV0"},
        {**SMALL, "kid": "one"},
        {**KEY, "e": "Aw"},
    ],
    ids=[
        "no object",
        "id is a number",
        "for encryption",
        "another algorithm",
        "for signing alone",
        "operations are text",
        "issuer is a number",
        "broken modulus",
        "another kind",
        "a secret",
        "1024 bits",
        "exponent 3",
    ],
)
def test_an_entry_that_may_not_sign_access_tokens_is_passed_over(entry: object) -> None:
    assert list(parse_key_set({"keys": [entry, {**KEY, "kid": "two"}]})) == ["two"]


def test_an_id_that_names_two_keys_names_none() -> None:
    another = {**json.loads(RSAAlgorithm.to_jwk(STRANGER.public_key())), "kid": "one"}

    assert parse_key_set({"keys": [KEY, another]}) == {}


def test_one_key_that_is_listed_for_two_issuers_may_sign_for_both() -> None:
    (key,) = parse_key_set({"keys": [{**KEY, "issuer": "https://a"}, {**KEY, "issuer": "https://b"}]}).values()

    assert key.issuers == {"https://a", "https://b"}


@pytest.mark.parametrize(("cloud", "found"), [("a", 1), ("b", 0), (None, 1)])
def test_a_key_of_another_cloud_is_passed_over(cloud: str | None, found: int) -> None:
    assert len(parse_key_set({"keys": [{**KEY, "cloud_instance_name": "a"}]}, cloud)) == found
