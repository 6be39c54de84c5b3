"""A caller's bearer token → an access token that may be trusted. Signature first, then claims; no I/O of its own.

The checks are those of https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import jwt

from .errors import InvalidToken, UserTokenRequired
from .settings import Settings
from .signing_keys import SigningKey
from .strict_json import parse_object

ALGORITHM = "RS256"  # fixed: what the token's header says is compared with it, never used
LEEWAY_SECONDS = 60
MAX_TOKEN_CHARS = 32 * 1024  # the front end refuses longer headers anyway; Entra's tokens have one to eight thousand

_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"})  # a key or a rule of the sender's own
_jws = jwt.PyJWS()


class Keys(Protocol):
    def get(self, key_id: str) -> SigningKey: ...


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """A validated access token: what it says, until when, and which key vouches for it. Not the token itself."""

    payload: bytes  # the claims as they came: a tenth of the memory of a parsed dict
    expires_at: float
    scopes: frozenset[str]
    key_id: str
    key: SigningKey

    def claims(self) -> dict[str, Any]:
        """The claims, parsed anew at each call."""
        parsed: dict[str, Any] = json.loads(self.payload)
        return parsed


class AccessTokenValidator:
    """Validates access tokens that Entra issued to this API for a signed-in user."""

    def __init__(self, settings: Settings, keys: Keys, now: Callable[[], float]) -> None:
        self._settings, self._keys, self._now = settings, keys, now
        self._issuers = (
            ("1.0", f"https://sts.windows.net/{settings.tenant_id}/"),
            ("2.0", f"{settings.authority}/v2.0"),
        )

    def validate(self, token: str) -> AccessToken:
        """The access token that this string is.

        Raises:
            InvalidToken: it is malformed, forged, expired, or meant for somebody else.
            UserTokenRequired: it is genuine, but an application's own (app-only).
            ServiceUnavailable: Entra's signing keys cannot be had.
        """
        key_id = _key_id(token)
        key = self._keys.get(key_id)
        try:
            payload: bytes = _jws.decode(token, key.key, algorithms=[ALGORITHM])
        except jwt.PyJWTError as error:
            raise InvalidToken(reason=f"signature: {type(error).__name__}") from None
        claims = _parse(payload)
        self._check_issuer(claims, key)
        self._check_audience(claims)
        expires_at = self._check_time(claims)
        _check_delegated(claims)
        return AccessToken(payload, expires_at, _split_scopes(claims["scp"]), key_id, key)

    def _check_issuer(self, claims: Mapping[str, Any], key: SigningKey) -> None:
        tenant_id = claims.get("tid")
        if tenant_id != self._settings.tenant_id or not key.may_sign_for(tenant_id):
            raise InvalidToken(reason="tenant")
        if (claims.get("ver"), claims.get("iss")) not in self._issuers:
            raise InvalidToken(reason="issuer")

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        if claims.get("aud") not in self._settings.audiences:
            raise InvalidToken(reason="audience")
        client = claims.get("azp" if claims["ver"] == "2.0" else "appid")
        if self._settings.allowed_clients and client not in self._settings.allowed_clients:
            raise InvalidToken(reason="client application")

    def _check_time(self, claims: Mapping[str, Any]) -> float:
        issued_at, not_before, expires_at = (_seconds(claims, name) for name in ("iat", "nbf", "exp"))
        now = self._now()
        if now >= expires_at + LEEWAY_SECONDS:
            raise InvalidToken(reason="expired")
        if now < max(not_before, issued_at) - LEEWAY_SECONDS:
            raise InvalidToken(reason="not yet valid")
        return float(expires_at + LEEWAY_SECONDS)


def _key_id(token: str) -> str:
    """The `kid` of a header that is fit to be looked at further. Nothing else of it is used."""
    if len(token) > MAX_TOKEN_CHARS or not _COMPACT_JWS.fullmatch(token):
        raise InvalidToken(reason="not a compact JWS")
    encoded = token[: token.index(".")]
    try:
        header = _parse(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except binascii.Error:
        raise InvalidToken(reason="header") from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or _REFUSED_HEADERS & header.keys() or not isinstance(key_id, str):
        raise InvalidToken(reason="header")
    return key_id


def _parse(text: bytes) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError:
        raise InvalidToken(reason="not a JSON object") from None


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 < value < 1 << 40:  # bool is an int, too; Entra sends whole seconds
        raise InvalidToken(reason=f"{name} missing or not a time")
    return value


def _check_delegated(claims: Mapping[str, Any]) -> None:
    """Only tokens of a signed-in user: `scp` and `oid` present. An ID token has neither `scp` nor a client."""
    if not all(isinstance(claims.get(name), str) and claims[name] for name in ("oid", "sub")):
        raise InvalidToken(reason="no subject")
    if "cnf" in claims:  # bound to a key that a bearer header does not prove (RFC 7800)
        raise InvalidToken(reason="proof-of-possession token")
    scopes = claims.get("scp")
    is_user = isinstance(scopes, str) and scopes.strip() and claims.get("idtyp", "user") != "app"
    if is_user:
        return
    of_client = isinstance(claims.get("azp", claims.get("appid")), str)
    if claims.get("idtyp") == "app" or (of_client and claims["oid"] == claims["sub"]):
        raise UserTokenRequired(reason="app-only token")
    raise InvalidToken(reason="not an access token of a user")


@lru_cache(maxsize=256)
def _split_scopes(scopes: str) -> frozenset[str]:
    """One shared set for the handful of scope strings that a tenant's clients ask for."""
    return frozenset(scopes.split())
