"""Checks a token Entra has issued: signature, issuer, time. Used wherever an emulated service receives one."""

from __future__ import annotations

from typing import Any

import jwt

from ..people import CUSTOMERS, TENANTS
from .signing import SigningKeys, as_signed


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
    claims = _verify_signature(token, keys)
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
    return verify_token(token, keys, str(tenant), now)


def _verify_signature(token: str, keys: SigningKeys) -> dict[str, Any]:
    signer = keys.find(header_of(token).get("kid"))
    if signer is None:
        raise TokenError("key", "The key was not found.")
    unchecked = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    try:
        return jwt.decode(as_signed(token), signer.key.public_key(), algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        raise TokenError("signature", "Key was found, but use of the key to verify the signature failed.") from None


UNREADABLE = (jwt.InvalidTokenError, ValueError, RecursionError)
"""What reading a text that is no token can end in; the last one by JSON nested a thousand levels deep."""


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unchecked; raises TokenError when it cannot be read."""
    try:
        return jwt.get_unverified_header(token)
    except UNREADABLE:
        raise TokenError("malformed", "The token is not a signed JWT.") from None


def peek(token: str) -> dict[str, Any]:
    """The claims of a token without any check, for the audit trail; empty when it cannot be read."""
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except UNREADABLE:
        return {}
