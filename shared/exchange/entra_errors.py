"""An error response of Entra's token endpoint → the error for the client. docs/errors.md explains each code.

Decided by `error`, `suberror` and `claims`; AADSTS numbers where those three do not tell cases apart.
https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import (
    AccessDenied,
    ApiError,
    ClaimsChallenge,
    ConsentRequired,
    InvalidToken,
    ServerMisconfigured,
    ServiceUnavailable,
    UserTokenRequired,
)
from ..net import requested_claims
from ..settings import Authority

# Entra does not accept our credential any more: load it anew, try once more.
_CREDENTIAL = {700027, 700024, 7000214, 1000502, 7000274, 7000277}

_CONSENT = {65001, 65004, 90094}
_DENIED = {53003, 50105, 50057}
_DENIED_SUBERRORS = {"message_only", "protection_policy_required"}
_APP_ONLY = {7000114, 90083}
_BUSY = {50196, 90055}
_IDENTIFIER = re.compile(r"[\w-]{1,64}", re.ASCII)
_MISCONFIGURED = {500131, 90009, 700016, 7000215, 7000222, 70021, 700213}
_NEW_TOKEN_NEEDED = {50013, 500133, 50173, 70043, 240002}
_NEW_TOKEN_ERRORS = {"interaction_required", "invalid_grant", "login_required"}


def refuses_our_credential(body: Mapping[str, Any]) -> bool:
    """Whether this error reply is about the API's own client credential, such as one that was rotated away."""
    return bool(_CREDENTIAL & _numbers(body))


def error_from_entra(body: Mapping[str, Any], scopes: Sequence[str], authority: Authority) -> ApiError:
    """The error for the client that an error response of the token endpoint becomes; `scopes`: those of the request."""
    numbers, error, suberror = _numbers(body), str(body.get("error")), str(body.get("suberror"))
    reason = describe(body)
    claims = _claims(body)
    if claims:
        return ClaimsChallenge(claims, authorization_uri=authority.authorization_uri, reason=reason)
    if suberror == "consent_required" or error == "consent_required" or _CONSENT & numbers:
        return ConsentRequired(scopes, admin_consent_url=authority.admin_consent_url, reason=reason)
    if suberror in _DENIED_SUBERRORS or _DENIED & numbers:
        return AccessDenied(reason=reason)
    if _APP_ONLY & numbers:
        return UserTokenRequired(reason=reason)
    if error == "temporarily_unavailable" or _BUSY & numbers:
        return ServiceUnavailable(reason=reason)
    if _MISCONFIGURED & numbers:
        return ServerMisconfigured(reason=reason)
    if suberror == "bad_token" or error in _NEW_TOKEN_ERRORS or _NEW_TOKEN_NEEDED & numbers:
        return InvalidToken(reason=reason)
    return ServerMisconfigured(reason=reason)


def describe(body: Mapping[str, Any]) -> str:
    """For the log: the number, and the ids that Microsoft's support asks for. Never Entra's prose, it names people."""
    numbers = ",".join(f"AADSTS{number}" for number in sorted(_numbers(body))) or "no AADSTS number"
    ids = (f"{name} {_printable(body.get(name))}" for name in ("trace_id", "correlation_id"))
    return f"Entra: {_printable(body.get('error'))}, {numbers}, {', '.join(ids)}"


def _numbers(body: Mapping[str, Any]) -> set[int]:
    codes = body.get("error_codes")
    return {code for code in codes[:8] if type(code) is int and 0 < code < 10**9} if isinstance(codes, list) else set()


def _claims(body: Mapping[str, Any]) -> str:
    """The claims that the user's next sign-in must carry, as compact JSON; empty when there are none."""
    claims = body.get("claims")
    return requested_claims(claims) if isinstance(claims, str) else ""


def _printable(value: object) -> str:
    """A short identifier as it is; anything else not at all."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else "-"
