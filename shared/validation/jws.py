"""Checks the signature of a token (JWS, RFC 7515) against Entra's published keys.

In the header, only `kid` selects something: one of Entra's published keys. `alg` must be RS256. `typ` may be left out;
otherwise it must name a JWT or an access token. A header with a name in _REFUSED_HEADERS is refused.
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

ALGORITHM = "RS256"  # fixed: `alg` in the header is compared with it, and never selects an algorithm
MAX_TOKEN_CHARS = 32 * 1024  # Azure refuses longer headers anyway; Entra's tokens have 1,000 to 8,000

_MAX_HEADER_CHARS = 4 * 1024  # a header is parsed before the signature is checked; Entra's have 100 to 300
_MAX_KEY_ID_CHARS = 256
_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES = frozenset({"jwt", "at+jwt"})  # RFC 8725 §3.11: explicit types; another type is not an access token
# Names that would bring a key or a rule of the sender's own:
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"})
_MIN_KEY_BITS = 2048
_MIN_EXPONENT = 65537  # FIPS 186-5 §5.1; a smaller one makes forged padding possible


class Jws(jwt.PyJWS):
    """PyJWT with a faster way to decode base64url. Its own way looks at each character in Python."""

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        """The bytes of a segment. There is one text for the same bytes: it raises DecodeError for any other."""
        try:
            decoded = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        except binascii.Error:
            decoded = b""
        if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment:
            raise jwt.DecodeError(f"Invalid {name} padding")
        return decoded


_jws = Jws()


def key_id_of(token: str) -> str:
    """The `kid` in the header of a token. Raises InvalidToken for a malformed token or a refused header."""
    if len(token) > MAX_TOKEN_CHARS or not _COMPACT_JWS.fullmatch(token):
        from .refusals import why_not_compact

        raise InvalidToken(reason=why_not_compact(token, MAX_TOKEN_CHARS))
    encoded = token[: token.index(".")]
    if len(encoded) > _MAX_HEADER_CHARS:
        raise InvalidToken(reason=f"header: longer than {_MAX_HEADER_CHARS} characters")
    return _key_id_in(encoded)


@lru_cache(maxsize=64)
def _key_id_in(encoded: str) -> str:
    """The `kid`. Cached, because all tokens that one key signs have the same header. Errors are not cached."""
    try:
        header = parse_segment(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except binascii.Error:
        raise InvalidToken(reason="header: not base64url") from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or _REFUSED_HEADERS & header.keys():
        from .refusals import why_header

        raise InvalidToken(reason=why_header(header, ALGORITHM, _REFUSED_HEADERS))
    if "typ" in header and not _is_type(header["typ"]):
        raise InvalidToken(reason="type: typ names no access token")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID_CHARS:
        raise InvalidToken(reason="key id: no kid, or one that is too long")
    return key_id


def _is_type(value: object) -> bool:
    """RFC 7515 §4.1.9: `typ` is a media type. Its case does not matter, and `application/` may be left out."""
    return isinstance(value, str) and value.lower().removeprefix("application/") in _TYPES


def parse_segment(text: bytes) -> dict[str, Any]:
    """The JSON object in a decoded segment. Raises InvalidToken if there is none."""
    try:
        return parse_object(text)
    except ValueError:
        raise InvalidToken(reason="not a JSON object") from None


@dataclass(frozen=True)
class SigningKey:
    """One public key, and the issuers for whose tokens it may be used.

    `{tenantid}` in an issuer stands for any tenant. An empty issuer means that the key was published without an issuer.
    Such a key may sign for any issuer, unless several tenants may call.
    `published_by` is the issuer in the discovery document, if that differs from the issuer of the settings; otherwise
    "". See Authority.discovered_issuer.
    """

    key: RSAPublicKey
    issuers: frozenset[str] = frozenset({""})
    published_by: str = ""

    def verify(self, token: str) -> bytes:
        """The payload of a token that this key has signed. Raises InvalidToken for any other token."""
        try:
            payload: bytes = _jws.decode(token, self.key, algorithms=[ALGORITHM])
        except jwt.PyJWTError:
            from .refusals import why_signature

            raise InvalidToken(reason=why_signature(token, self.key.key_size // 8)) from None
        return payload

    def may_sign_for(self, issuers: Collection[str], tenant_id: str, *, by_name: bool) -> bool:
        """Whether the key lists one of these issuers, as a whole string. Without `by_name`, an empty issuer suffices.

        `by_name` is for several tenants: a multi-tenant key list also holds keys that serve a single tenant.
        """
        named = any(issuer.replace("{tenantid}", tenant_id) in issuers for issuer in self.issuers if issuer)
        return named or (not by_name and "" in self.issuers)


def parse_key_set(document: Mapping[str, Any], cloud: object = None, published_by: str = "") -> dict[str, SigningKey]:
    """The usable keys of a JWKS (RFC 7517 §5): RSA, for signatures, 2048 bits or more. Other keys are skipped.

    `cloud` is the `cloud_instance_name` of the discovery document. Keys of Entra's other clouds are skipped, too.

    A list without a usable key is valid: Entra has withdrawn all keys.

    Raises:
        ValueError: the document holds no list of keys.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("not a key set")
    keys: dict[str, SigningKey] = {}
    ambiguous: set[str] = set()
    for entry in entries:
        key = _parse_key(entry, cloud)
        if key is None:
            continue
        key_id = entry["kid"]
        listed_before = keys.get(key_id, key)  # Entra may list one key several times, with other issuers
        if listed_before.key != key.key:
            ambiguous.add(key_id)
        keys[key_id] = SigningKey(key.key, key.issuers | listed_before.issuers, published_by)
    for key_id in ambiguous:  # two keys with one id: neither is used
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
    """Whether the key may verify RS256 signatures. An absent member allows it (RFC 7517 §4.2 to §4.4)."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(operations, list)
        and "verify" in operations
    )
