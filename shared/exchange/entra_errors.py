"""Maps an error response of Entra's token endpoint to the error for the client. docs/errors.md explains each code.

`error`, `suberror` and `claims` decide. AADSTS numbers decide only where these three are the same in two cases.
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

# Entra does not accept our credential. The credential is loaded again, and the exchange is tried once more.
_CREDENTIAL = {
    700027,  # the assertion's signature: the certificate is not registered
    700024,  # the assertion is outside of its valid time range
    7000214,  # certificate revoked
    1000502,  # certificate outside of its valid time range
    7000274,  # the same, or an invalid signature
    7000277,  # certificate revoked
}
# Entra does not accept our credential, and another version of it would not help.
_CREDENTIAL_SETTINGS = {
    7000215,  # wrong client secret
    7000222,  # expired client secret
    70021,  # no federated credential for the assertion
    700213,  # no federated credential for the assertion's subject
}
_CONSENT = {
    65001,  # no consent
    65004,  # the user declined
    90094,  # an administrator must consent
}
_DENIED = {
    53003,  # blocked by Conditional Access
    50105,  # the user is not assigned to the application
    50057,  # the account is disabled
}
_DENIED_SUBERRORS = {"message_only", "protection_policy_required"}
_APP_ONLY = {7000114, 90083}  # the assertion is an application's own token
_BUSY = {
    50196,  # a loop of requests was detected
    90055,  # the tenant is throttled
}
_IDENTIFIER = re.compile(r"[\w-]{1,64}", re.ASCII)
_MISCONFIGURED = {
    500131,  # the assertion is for another audience
    90009,  # the scopes are of this API itself
    700016,  # the application is not in the tenant
    *_CREDENTIAL_SETTINGS,
}
# Where several tenants may call, the user's tenant lacks this API or an API behind it until an administrator consents.
_NOT_IN_THE_TENANT = {
    500011,  # the downstream API is not in the tenant
    650052,  # the tenant is not subscribed to the downstream API
    7000112,  # the application is disabled in the tenant
    700016,  # the application is not in the tenant
}
_NEW_TOKEN_NEEDED = {
    50013,  # invalid assertion
    500133,  # the assertion is outside of its valid time range
    50173,  # the grant was revoked, such as by a new password
    70043,  # Conditional Access wants a new sign-in
    240002,  # an ID token
}
_NEW_TOKEN_ERRORS = {"interaction_required", "invalid_grant", "login_required"}


def refuses_our_credential(body: Mapping[str, Any]) -> bool:
    """Whether Entra refused the API's own client credential, such as a certificate that was replaced."""
    return bool(_CREDENTIAL & _numbers(body))


def refuses_every_credential(body: Mapping[str, Any]) -> bool:
    """Whether Entra refused the credential, or refuses any until the settings or the registration change."""
    return bool((_CREDENTIAL | _CREDENTIAL_SETTINGS) & _numbers(body))


def error_from_entra(body: Mapping[str, Any], scopes: Sequence[str], authority: Authority) -> ApiError:
    """The error for the client. `scopes` are the scopes that were requested.

    The order decides, because a response may fit several rows. Claims come first: with them, the client can fix any
    error. AADSTS53003, for example, is a denial only without claims. The last row for tokens fits every
    `invalid_grant`, so the rows for special cases come before it.
    """
    numbers, error, suberror = _numbers(body), str(body.get("error")), str(body.get("suberror"))
    reason = describe(body)
    claims = _claims(body)
    if claims:
        return ClaimsChallenge(claims, authorization_uri=authority.authorization_uri, reason=reason)
    if suberror == "consent_required" or error == "consent_required" or _CONSENT & numbers:
        return ConsentRequired(scopes, admin_consent_url=authority.admin_consent_url, reason=reason)
    if authority.among_several and _NOT_IN_THE_TENANT & numbers:
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
    if error == "access_denied":
        return AccessDenied(reason=reason)
    return ServerMisconfigured(reason=reason)


def describe(body: Mapping[str, Any]) -> str:
    """For the log: the numbers, and the ids that Microsoft's support asks for. Never Entra's prose: it names people."""
    numbers = ",".join(f"AADSTS{number}" for number in sorted(_numbers(body))) or "no AADSTS number"
    ids = (f"{name} {_printable(body.get(name))}" for name in ("trace_id", "correlation_id"))
    return f"Entra: {_printable(body.get('error'))}, {numbers}, {', '.join(ids)}"


def _numbers(body: Mapping[str, Any]) -> set[int]:
    codes = body.get("error_codes")
    return {code for code in codes[:8] if type(code) is int and 0 < code < 10**9} if isinstance(codes, list) else set()


def _claims(body: Mapping[str, Any]) -> str:
    """The claims that the user's next sign-in must carry, as compact JSON. Empty if there are none."""
    claims = body.get("claims")
    return requested_claims(claims) if isinstance(claims, str) else ""


def _printable(value: object) -> str:
    """The value if it is a short identifier, else "-"."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else "-"
