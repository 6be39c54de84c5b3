"""A published set of keys (JWKS, RFC 7517 §5) → the keys that may sign access tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..errors import InvalidToken
from .jws_header import ALGORITHM

_MIN_KEY_BITS = 2048
_MIN_EXPONENT = 65537  # FIPS 186-5 §5.1; with a smaller one, sloppy padding can be forged
_jws = jwt.PyJWS()


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
