"""A token as a signed text (JWS, RFC 7515): its header, the keys that may sign it, and the check of its signature.

Of the header two things are looked at alone, and nothing in it steers anything. Imported where it is used: PyJWT and
cryptography are not needed before the first token.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..errors import InvalidToken
from ..net import parse_object

ALGORITHM = "RS256"  # fixed: what the token's header says is compared with it, never used
MAX_TOKEN_CHARS = 32 * 1024  # the front end refuses longer headers anyway; Entra's tokens have one to eight thousand

_MAX_HEADER_CHARS = 4 * 1024  # the one JSON that a stranger can have parsed; Entra's have one to three hundred
_MAX_KEY_ID_CHARS = 256
_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES = frozenset({"jwt", "at+jwt"})  # RFC 8725 §3.11: what was made for something else is not an access token
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"})  # a key or a rule of the sender's own
_MIN_KEY_BITS = 2048
_MIN_EXPONENT = 65537  # FIPS 186-5 §5.1; with a smaller one, sloppy padding can be forged
_jws = jwt.PyJWS()


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


@dataclass(frozen=True)
class SigningKey:
    """One public key, and the issuers for whose tokens it may be used.

    `{tenantid}` in an issuer stands for any tenant; an empty issuer for any issuer, as the key was published with none.
    """

    key: RSAPublicKey
    issuers: frozenset[str] = frozenset({""})

    def verify(self, token: str) -> bytes:
        """The payload of a token that this key has signed. Raises InvalidToken for any other."""
        try:
            payload: bytes = _jws.decode(token, self.key, algorithms=[ALGORITHM])
        except jwt.PyJWTError as error:
            raise InvalidToken(reason=f"signature: {type(error).__name__}") from None
        return payload

    def may_sign_for(self, issuers: Collection[str], tenant_id: str) -> bool:
        """Whether it is published for one of these issuers, compared whole, or for any."""
        return any(issuer == "" or issuer.replace("{tenantid}", tenant_id) in issuers for issuer in self.issuers)


def parse_key_set(document: Mapping[str, Any], cloud: object = None) -> dict[str, SigningKey]:
    """The usable keys of a JWKS (RFC 7517 §5): RSA, for signatures, 2048 bits or more. Others are passed over.

    `cloud` is the `cloud_instance_name` of the discovery document: Entra also lists keys of its other clouds.

    A list without a usable key is valid: Entra has withdrawn all.

    Raises:
        ValueError: it holds no list of keys.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("not a key set")
    keys: dict[str, SigningKey] = {}
    ambiguous: set[str] = set()
    for entry in entries:
        key = _parse_key(entry, cloud)
        if key is not None:
            other = keys.get(entry["kid"], key)
            keys[entry["kid"]] = SigningKey(key.key, key.issuers | other.issuers)
            if other.key != key.key:
                ambiguous.add(entry["kid"])
    for key_id in ambiguous:  # which of the two is meant is not for a token's sender to choose
        del keys[key_id]
    return keys


def _parse_key(entry: Any, cloud: object) -> SigningKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or not _is_for_rs256(entry):
        return None
    issuer, its_cloud = entry.get("issuer"), entry.get("cloud_instance_name")
    if not isinstance(issuer, str | None) or (None not in (cloud, its_cloud) and its_cloud != cloud):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm=ALGORITHM).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    usable = isinstance(key, RSAPublicKey) and key.key_size >= _MIN_KEY_BITS and key.public_numbers().e >= _MIN_EXPONENT
    return SigningKey(key, frozenset({issuer or ""})) if usable else None


def _is_for_rs256(entry: Mapping[str, Any]) -> bool:
    """What the key is published for (RFC 7517 §4.2 to §4.4), where it says so."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(operations, list)
        and "verify" in operations
    )
