"""Checks a token Entra has issued: signature, issuer, time. Used wherever an emulated service receives one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt

from ..certificates import Certificate
from ..people import CUSTOMERS, TENANTS
from ..requests_io import json_object
from .signing import JWS, KEPT_TOKENS, SigningKeys, as_signed, unchecked_parts


class TokenError(Exception):
    """The token is not valid. `reason` is one word: malformed, key, signature, time or issuer."""

    def __init__(self, reason: str, message: str, claims: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.claims = claims or {}


def issuers(tenant: str) -> tuple[str, str]:
    """The issuer of v1 and of v2 tokens of a tenant."""
    if tenant == CUSTOMERS:
        return f"https://sts.windows.net/{tenant}/", f"https://{tenant}.ciamlogin.com/{tenant}/v2.0"
    return f"https://sts.windows.net/{tenant}/", f"https://login.microsoftonline.com/{tenant}/v2.0"


def verify_token(token: str, keys: SigningKeys, tenant: str, now: float) -> dict[str, Any]:
    """The claims of a genuine token that is valid now; raises TokenError."""
    return _check_issuer_and_time(_verify_signature(token, keys), tenant, now)


def _check_issuer_and_time(claims: dict[str, Any], tenant: str, now: float) -> dict[str, Any]:
    if claims.get("iss") not in issuers(tenant):
        raise TokenError("issuer", "The issuer is another one.", claims)
    not_before, expiry = claims.get("nbf"), claims.get("exp")
    if (
        not isinstance(expiry, (int, float))
        or not isinstance(not_before, (int, float))
        or not not_before <= now < expiry
    ):
        raise TokenError("time", "The token is not within its valid time range.", claims)
    return claims


def verify_token_of_any(token: str, keys: SigningKeys, now: float) -> dict[str, Any]:
    """As `verify_token`, for a token of whichever tenant it names; for services that serve every tenant."""
    claims = _verify_signature(token, keys)
    tenant = claims.get("tid")
    if tenant not in TENANTS.values():
        raise TokenError("issuer", "The tenant is not known.", claims)
    return _check_issuer_and_time(claims, str(tenant), now)


def _verify_signature(token: str, keys: SigningKeys) -> dict[str, Any]:
    signer = keys.find(header_of(token).get("kid"))
    if signer is None:
        raise TokenError("key", "The key was not found.")
    try:
        return dict(signed_claims(as_signed(token), signer, ("RS256",)))
    except jwt.InvalidTokenError:
        raise TokenError("signature", "Key was found, but use of the key to verify the signature failed.") from None


@lru_cache(maxsize=KEPT_TOKENS)
def signed_claims(token: str, signer: Certificate, algorithms: tuple[str, ...]) -> Mapping[str, Any]:
    """The claims of a token that this key has signed; raises jwt.InvalidTokenError. The claims are not checked.

    They are kept, because the same token comes with many requests. A signature that is not valid is never kept.
    """
    payload: bytes = JWS.decode(token, signer.key.public_key(), algorithms=algorithms)
    try:
        return json_object(payload)
    except ValueError:
        raise jwt.DecodeError("the payload is not a JSON object") from None


UNREADABLE = (jwt.InvalidTokenError, ValueError, RecursionError)
"""What reading a text that is no token can end in; the last one by JSON nested a thousand levels deep."""


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unchecked; raises TokenError when it cannot be read."""
    try:
        return dict(unchecked_parts(token)[0])
    except UNREADABLE:
        raise TokenError("malformed", "The token is not a signed JWT.") from None


def peek(token: str) -> dict[str, Any]:
    """The claims of a token without any check, for the audit trail; empty when it cannot be read."""
    try:
        return json_object(unchecked_parts(token)[1])
    except UNREADABLE:
        return {}
