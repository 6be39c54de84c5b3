"""The one tree of errors. Each is an HTTP response: a status, a stable code, and what the caller can do about it.

    ApiError
    ├── BadRequest 400 · NotFound 404 · RequestRejected 4xx (a downstream API said so)
    ├── Unauthorized 401
    │   ├── MissingToken · InvalidToken
    │   └── ClaimsChallenge          sign in again with these claims (MFA, Conditional Access, step-up)
    ├── Forbidden 403
    │   ├── InsufficientScope · InsufficientRole · UserTokenRequired · AppTokenRequired
    │   ├── ConsentRequired · AccessDenied
    │   └── GuestNotAllowed · AgentUserNotAllowed
    ├── ServerMisconfigured 500
    │   └── SettingsError            which settings, by name
    ├── UnsendableError 500          the function's result has no form as a response
    └── BadGateway 502 · ServiceUnavailable 503 (Throttled) · GatewayTimeout 504

The caller sees `detail`. Only the log has `reason`. Neither may hold a token, a secret or a claim's value.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

RETRY_AFTER_SECONDS = 5  # of a 503, if no other time is known


class ApiError(Exception):
    """A failure that is the caller's HTTP response: a problem document (RFC 9457) with this status and code.

    Raise a subclass, or derive a class of your own and set its `status`, `code` and `detail`.

    Args:
        detail: what the caller reads instead of the text of the class. It holds no token, secret or claim value.
        reason: what the log says in addition. The caller never sees it. The same rule applies.

    Attributes:
        status: the HTTP status.
        code: a stable word for programs: the member `code` of the body.
        detail: a sentence for people: the member `detail` of the body.
        retry_after: seconds for the header `Retry-After`, or None for no such header (RFC 9110 §10.2.3).
        extra: further members of the body (RFC 9457 §3.2).
    """

    status = 500
    code = "internal_error"
    detail = "Something went wrong on the server."

    def __init__(self, detail: str | None = None, *, reason: str = "") -> None:
        self.detail = detail or type(self).detail
        self.reason = reason
        self.retry_after: int | None = None
        self.extra: dict[str, Any] = {}
        super().__init__(f"{self.code}: {reason}" if reason else self.code)

    def challenge(self) -> dict[str, str] | None:
        """Parameters of `WWW-Authenticate: Bearer` in addition to the realm (RFC 6750 §3). None: no header."""
        return None


class UnsendableError(ApiError):
    """The result of the function cannot be sent. The caller gets 500 `internal_error`, and the log has the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class BadRequest(ApiError):
    """The caller's request is not valid: raise it with a `detail` that says what to correct."""

    status, code, detail = 400, "bad_request", "The request is not valid."


class NotFound(ApiError):
    """The function or the downstream API has nothing here that this user may see."""

    status, code, detail = 404, "not_found", "Not found, or not visible to you."


class RequestRejected(ApiError):
    """A downstream API refused the request itself. Its 4xx and its problem document are passed on."""

    code, detail = "downstream_rejected", "The downstream API did not accept the request."

    def __init__(self, status: int, *, reason: str = "") -> None:
        super().__init__(reason=reason)
        self.status = status


class Unauthorized(ApiError):
    """The client must get another access token. Its subclasses say why."""

    status, code, detail = 401, "unauthorized", "Sign in, then call again with an access token."


class MissingToken(Unauthorized):
    """No usable `Authorization: Bearer` header. The challenge then has no error code (RFC 6750 §3.1)."""

    code, detail = "missing_token", "Send one header: Authorization: Bearer <access token>."

    def challenge(self) -> dict[str, str]:
        return {}


class InvalidToken(Unauthorized):
    """The token is not valid. The response is the same for every cause. The log has the reason."""

    code, detail = "invalid_token", "The access token is not valid for this API. Get a new one, then call again."

    def challenge(self) -> dict[str, str]:
        return {"error": self.code}


class ClaimsChallenge(Unauthorized):
    """Entra demands more of the user. `claims` is the JSON text that the client must send with its next sign-in.
    https://learn.microsoft.com/entra/identity-platform/claims-challenge
    """

    code, detail = "insufficient_claims", "Sign in again with these claims, then call again with the new access token."

    def __init__(self, claims: str, *, authorization_uri: str, reason: str = "") -> None:
        super().__init__(reason=reason)
        self.claims = claims
        self.authorization_uri = authorization_uri
        self.extra = {"claims": claims}  # also in the body: browsers cannot read the header without CORS exposure

    def challenge(self) -> dict[str, str]:
        encoded = base64.b64encode(self.claims.encode()).decode()
        return {"authorization_uri": self.authorization_uri, "error": self.code, "claims": encoded}


class Forbidden(ApiError):
    """The function refuses this user: raise it with a `detail` that says what is missing."""

    status, code, detail = 403, "forbidden", "The user may not do this."


class InsufficientScope(Forbidden):
    """A genuine token without any of the scopes that the function asks for (RFC 6750 §3.1)."""

    code, detail = "insufficient_scope", "The access token lacks the scope that this function asks for."

    def __init__(self, scopes: Sequence[str], *, reason: str = "") -> None:
        super().__init__(reason=f"{reason} {', '.join(scopes)}".strip())  # of the function, not of the token
        self.scopes = tuple(scopes)
        self.extra = {"scopes": list(scopes)}

    def challenge(self) -> dict[str, str]:
        return {"error": self.code, "scope": " ".join(self.scopes)}


class InsufficientRole(Forbidden):
    """A genuine token without any of the app roles that the function asks for, of a user or of an application."""

    code, detail = "insufficient_role", "The caller holds none of the roles that this function asks for."

    def __init__(self, roles: Sequence[str], *, reason: str = "") -> None:
        super().__init__(reason=f"{reason} {', '.join(roles)}".strip())  # of the function, not of the token
        self.roles = tuple(roles)
        self.extra = {"roles": list(roles)}


class UserTokenRequired(Forbidden):
    """A genuine token of an application, which was issued without a user (client credentials grant)."""

    code, detail = "user_token_required", "This API acts for a signed-in user. An app-only token has no user."


class AppTokenRequired(Forbidden):
    """A genuine token of a user, where only applications may call. A user's roles do not count."""

    code, detail = "app_token_required", "This function is for applications. A user's token is not accepted here."


class GuestNotAllowed(Forbidden):
    """A genuine token of a guest of the tenant, where `AzureAd__AllowGuests` is `false`."""

    code, detail = "guest_not_allowed", "This API is for members of the tenant. A guest may not call it."


class AgentUserNotAllowed(Forbidden):
    """A genuine token of the user account of an agent. No person stands behind it. See `AzureAd__AllowAgentUsers`."""

    code, detail = "agent_user_not_allowed", "This API acts for people. The user account of an agent may not call it."


class ConsentRequired(Forbidden):
    """Neither the user nor an administrator has consented to the downstream permissions `scopes`."""

    code, detail = "consent_required", "The user or an administrator must consent. Then call again."

    def __init__(
        self, scopes: Sequence[str], *, admin_consent_url: str = "", consent_url: str = "", reason: str = ""
    ) -> None:
        """The addresses where an administrator and the user can consent. The body has those that are known."""
        super().__init__(reason=reason)
        self.scopes = tuple(scopes)
        addresses = {"admin_consent_url": admin_consent_url, "consent_url": consent_url}
        self.extra = {"scopes": list(scopes), **{name: address for name, address in addresses.items() if address}}

    def prompt(self) -> None:
        """Makes this error a 401. Some clients then let their user consent, and call again with the same token."""
        self.status = Unauthorized.status

    def challenge(self) -> dict[str, str] | None:
        return {"error": self.code} if self.status == Unauthorized.status else None


class AccessDenied(Forbidden):
    """A policy of Entra blocks the user, or the downstream API responded with 403."""

    code, detail = "access_denied", "A policy or a missing permission forbids this. Signing in again will not help."


class ServerMisconfigured(ApiError):
    """Settings, registration or client credential of this API are wrong. The log says which."""

    code, detail = "server_misconfigured", "The API is misconfigured. Details are in its log."


class SettingsError(ServerMisconfigured):
    """Every wrong setting at once: name → what it must be. Never a value."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(reason="; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)


class BadGateway(ApiError):
    """The downstream API failed, or sent what the function cannot use. A write may have taken effect."""

    status, code, detail = 502, "downstream_failed", "The downstream API failed or could not be reached."


class ServiceUnavailable(ApiError):
    """Try again after `retry_after` seconds (sent as Retry-After, RFC 9110 §10.2.3)."""

    status, code, detail = 503, "temporarily_unavailable", "A service this API needs is busy or down. Try again later."
    retry_after: int

    def __init__(self, *, retry_after: int | None = None, reason: str = "") -> None:
        """`retry_after` is in seconds, or None if the busy service names no time."""
        super().__init__(reason=reason)
        self.retry_after = RETRY_AFTER_SECONDS if retry_after is None else retry_after


class Throttled(ServiceUnavailable):
    """Entra asks this one caller, for these scopes, to wait. Other callers are not affected."""


class GatewayTimeout(ApiError):
    """The downstream API did not respond before the deadline. A write may have taken effect."""

    status, code, detail = 504, "downstream_timeout", "The downstream API did not respond in time."
