"""One signing key by itself: no other check has seen the token."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.errors import InvalidToken
from shared.validation.key_set import SigningKey
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
