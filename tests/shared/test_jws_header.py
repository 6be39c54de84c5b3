"""The header of a token by itself: the checks before a key is looked up."""

from __future__ import annotations

import jwt
import pytest

from shared.errors import InvalidToken
from shared.validation.jws import Jws, key_id_of
from tests.support.tokens import encoded

HEADER = {"alg": "RS256", "kid": "key", "typ": "JWT"}


def token(header: object, rest: str = ".payload.signature") -> str:
    return encoded(header) + rest


def is_refused(text: str) -> bool:
    try:
        key_id_of(text)
    except InvalidToken:
        return True
    return False


def test_the_key_id_of_a_usual_header() -> None:
    assert key_id_of(token(HEADER)) == "key"
    assert key_id_of(token({"alg": "RS256", "kid": ""})) == ""


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"])
def test_a_key_or_a_rule_of_the_senders_own_is_refused_whatever_it_says(name: str) -> None:
    values: tuple[object, ...] = (None, "", [], ["exp"], {}, "https://evil.example")
    for value in values:
        assert is_refused(token({**HEADER, name: value}))


def test_a_key_id_has_256_characters_at_most() -> None:
    longest = "k" * 256
    assert key_id_of(token({**HEADER, "kid": longest})) == longest
    assert is_refused(token({**HEADER, "kid": longest + "k"}))


def header_of(characters: int) -> str:
    """A header, encoded, of so many characters."""
    for padding in range(characters):
        text = encoded({**HEADER, "pad": "x" * padding})
        if len(text) >= characters:
            return text
    raise AssertionError


def test_a_header_has_4_kib_at_most() -> None:
    longest = header_of(4096)
    assert len(longest) == 4096
    assert key_id_of(longest + ".payload.signature") == "key"
    longer = header_of(4097)
    assert len(longer) in (4098, 4099)  # four characters for three bytes: there are none of 4,097
    assert is_refused(longer + ".payload.signature")


def test_a_token_has_32_kib_at_most() -> None:
    longest = token(HEADER, ".payload.").ljust(32 * 1024, "s")
    assert key_id_of(longest) == "key"
    assert is_refused(longest + "s")


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "a..c", ".b.c", "a.b.", "a b.c.d", "\u00e9.b.c", token(HEADER) + "\n",
     token(HEADER) + "=", " " + token(HEADER), token([1]), token("text"), token(b"\xff"), "A.payload.signature"],
)  # fmt: skip
def test_what_is_no_compact_jws_with_an_object_for_a_header_is_refused(text: str) -> None:
    assert is_refused(text)


@pytest.mark.parametrize(
    "changes",
    [{"alg": "RS512"}, {"alg": "none"}, {"alg": None}, {"alg": ["RS256"]}, {"kid": None}, {"kid": 7}, {"kid": ["key"]},
     {"typ": "logout+jwt"}, {"typ": "application/dpop+jwt"}, {"typ": None}, {"typ": 5}, {"typ": ""}],
)  # fmt: skip
def test_another_algorithm_type_or_kind_of_key_id_is_refused(changes: dict[str, object]) -> None:
    assert is_refused(token({**HEADER, **changes}))


@pytest.mark.parametrize("type_of", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/jwt", "Application/at+JWT"])
def test_the_types_of_an_access_token(type_of: str) -> None:
    assert key_id_of(token({**HEADER, "typ": type_of})) == "key"


SEGMENTS = [
    *(b"", b"A", b"AA", b"AB", b"AAA", b"AAB", b"AAAA", b"AAAAA", b"eyJh-_", b"A+_A", b"A/_A"),
    *(b"A=", b"AA=", b"AA==", b"AAA=", b"AAAA====", b"AA==AA", b"=AAA"),
    *(b"AA A", b"AAA\n", b" AAA", b"AA.A", b"AA!!", b"!!!!", b"AA\xe9A", bytes(range(256))),
]


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_segment_is_decoded_as_pyjwt_does_it_and_never_with_padding(segment: bytes) -> None:
    """A token must have one text only: RFC 7515 §2. PyJWT accepts `=` at the end."""

    def decoded(jws: type[jwt.PyJWS]) -> bytes | None:
        try:
            found: bytes = jws._decode_base64url_segment(segment, "payload")
        except jwt.DecodeError:
            return None
        return found

    assert decoded(Jws) == (None if b"=" in segment else decoded(jwt.PyJWS))
