"""The header of a token (RFC 7515 §4): looked at for two things only, and nothing in it steers anything."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Any

from ..errors import InvalidToken
from ..net import parse_object

ALGORITHM = "RS256"  # fixed: what the token's header says is compared with it, never used
MAX_TOKEN_CHARS = 32 * 1024  # the front end refuses longer headers anyway; Entra's tokens have one to eight thousand

_MAX_HEADER_CHARS = 4 * 1024  # the one JSON that a stranger can have parsed; Entra's have one to three hundred
_MAX_KEY_ID_CHARS = 256
_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES = frozenset({"jwt", "at+jwt"})  # RFC 8725 §3.11: what was made for something else is not an access token
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"})  # a key or a rule of the sender's own


def key_id_of(token: str) -> str:
    """The `kid` of a token whose header is fit to be looked at further. Raises InvalidToken for any other."""
    if len(token) > MAX_TOKEN_CHARS or not _COMPACT_JWS.fullmatch(token):
        raise InvalidToken(reason="not a compact JWS")
    encoded = token[: token.index(".")]
    if len(encoded) > _MAX_HEADER_CHARS:
        raise InvalidToken(reason="header")
    return _key_id_in(encoded)


@lru_cache(maxsize=64)
def _key_id_in(encoded: str) -> str:
    """Remembered, as all tokens that one key signs have the same header; what is refused is looked at each time."""
    try:
        header = parse_segment(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except binascii.Error:
        raise InvalidToken(reason="header") from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or _REFUSED_HEADERS & header.keys():
        raise InvalidToken(reason="header")
    if "typ" in header and not _is_type(header["typ"]):
        raise InvalidToken(reason="type")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID_CHARS:
        raise InvalidToken(reason="key id")
    return key_id


def _is_type(value: object) -> bool:
    """RFC 7515 §4.1.9: a media type, of which the case does not matter and `application/` may be left out."""
    return isinstance(value, str) and value.lower().removeprefix("application/") in _TYPES


def parse_segment(text: bytes) -> dict[str, Any]:
    """The JSON object that a decoded segment holds. Raises InvalidToken."""
    try:
        return parse_object(text)
    except ValueError:
        raise InvalidToken(reason="not a JSON object") from None
