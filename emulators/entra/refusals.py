"""Every refusal the emulated Entra knows: AADSTS number → OAuth error, status, suberror and an explanation."""

from __future__ import annotations

import json
from dataclasses import dataclass

GRANT = "invalid_grant"
CLIENT = "invalid_client"
REQUEST = "invalid_request"

MAX_FACT = 100
"""Longest part of a request that an explanation repeats: too short for a token to show itself in the wrong place."""


@dataclass(frozen=True)
class Kind:
    """What all refusals of one number have in common; `text` is a template."""

    error: str
    text: str
    status: int = 400
    suberror: str | None = None


KINDS: dict[int, Kind] = {
    # The request itself
    28000: Kind(REQUEST, "The scope parameter names more than one resource: {scopes}. A token is for one resource."),
    50011: Kind(
        REQUEST, "The redirect URI '{redirect_uri}' is not among those registered for the application '{client}'."
    ),
    50194: Kind(
        REQUEST, "Application '{client}' is registered for one tenant only; use that tenant's endpoint, not /{tenant}."
    ),
    50059: Kind(REQUEST, "No tenant-identifying information found in the request or implied by any credential."),
    70003: Kind("unsupported_grant_type", "The grant type '{grant}' is not supported."),
    70011: Kind("invalid_scope", "The scope parameter is not valid: {reason}"),
    90002: Kind("invalid_tenant", "Tenant '{tenant}' not found. Check the tenant id and the cloud you sign in to."),
    90009: Kind(
        REQUEST, "Application '{client}' is requesting a token for itself, which its GUID identifier must then say."
    ),
    90023: Kind(REQUEST, "Unsupported value '{value}' of the parameter '{parameter}'."),
    500011: Kind("invalid_resource", "The resource principal named {resource} was not found in the tenant {tenant}."),
    650052: Kind(
        CLIENT, "The app needs access to a service ('{resource}') that your organization '{tenant}' has not enabled."
    ),
    650053: Kind(
        "invalid_scope",
        "The application '{client}' asked for scope '{scope}' that does not exist on the resource '{resource}'.",
    ),
    700016: Kind(
        "unauthorized_client", "Application with identifier '{client}' was not found in the directory '{tenant}'."
    ),
    7000112: Kind("unauthorized_client", "Application '{client}' is disabled."),
    700054: Kind("unsupported_response_type", "response_type '{value}' is not enabled for the application."),
    900144: Kind(REQUEST, "The request must contain the following parameter: '{parameter}'."),
    900491: Kind("server_error", "The service met an unexpected condition.", 500),
    9010010: Kind(
        "invalid_target", "The resource parameter provided in the request doesn't match with the requested scopes."
    ),
    9002313: Kind(REQUEST, "Invalid request. Request is malformed or invalid: {reason}"),
    9002325: Kind(REQUEST, "Proof Key for Code Exchange is required: code_challenge with code_challenge_method S256."),
    # How the application proves who it is
    50027: Kind(CLIENT, "JWT token is invalid or malformed: {reason}", 401),
    70021: Kind(CLIENT, "No matching federated identity record found for the presented assertion.", 401),
    700021: Kind(CLIENT, "The client assertion's issuer and subject do not match the client_id parameter.", 401),
    700023: Kind(CLIENT, "The client assertion's audience does not match the realm issuer.", 401),
    700024: Kind(
        CLIENT,
        "Client assertion is not within its valid time range. Now: {now}, expiry time of assertion: {expiry}.",
        401,
    ),
    700025: Kind(
        CLIENT, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.", 401
    ),
    700027: Kind(
        CLIENT, "Client assertion failed signature validation. [Reason - {reason}, Thumbprint: '{thumbprint}']", 401
    ),
    700211: Kind(
        CLIENT, "No matching federated identity record found for the presented assertion's issuer '{issuer}'.", 401
    ),
    700212: Kind(
        CLIENT, "No matching federated identity record found for the presented assertion's audience '{audience}'.", 401
    ),
    700213: Kind(
        CLIENT, "No matching federated identity record found for the presented assertion's subject '{subject}'.", 401
    ),
    7000214: Kind(CLIENT, "The client assertion's id (jti) has been used before.", 401),
    7000215: Kind(
        CLIENT, "Invalid client secret provided for app '{client}'. It must be the secret's value, not its id.", 401
    ),
    7000218: Kind(
        CLIENT, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.", 401
    ),
    7000216: Kind(CLIENT, "'client_assertion' or 'client_secret' is required for the '{grant}' grant type.", 401),
    7000222: Kind(CLIENT, "The provided client secret keys for app '{client}' are expired.", 401),
    501051: Kind("invalid_grant", "Application '{client}' is not assigned to a role for the application '{resource}'."),
    1002012: Kind(
        "invalid_scope", "The scope '{scope}' is not valid: client credentials need a scope that ends with /.default."
    ),
    # What is exchanged
    50013: Kind(GRANT, "Assertion failed signature validation. [Reason - {reason}]"),
    54005: Kind(GRANT, "The authorization code was already redeemed; use a new one or a refresh token."),
    70000: Kind(GRANT, "Provided grant is invalid or malformed: {reason}"),
    70008: Kind(GRANT, "The provided authorization code has expired."),
    240002: Kind(GRANT, "An id_token cannot be used as the assertion of the jwt-bearer grant."),
    500131: Kind(
        GRANT,
        "Assertion audience does not match the app presenting it. It is for '{audience}', expected was '{expected}'.",
    ),
    500133: Kind(
        GRANT, "Assertion is not within its valid time range. Now: {now}, expiry time of assertion: {expiry}."
    ),
    500112: Kind(CLIENT, "The reply address '{redirect_uri}' is not the one given when the code was requested.", 401),
    501481: Kind(GRANT, "The code_verifier does not match the code_challenge of the authorization request."),
    700082: Kind(GRANT, "The refresh token has expired due to inactivity.", suberror="bad_token"),
    7000114: Kind(GRANT, "Application '{client}' is not allowed to make application on-behalf-of calls."),
    # Device code
    70016: Kind("authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: Kind("bad_verification_code", "The device code is not one that was given out to this application."),
    70019: Kind("expired_token", "The device code has expired."),
    # The person
    50034: Kind(GRANT, "The user account does not exist in the directory '{tenant}'."),
    50058: Kind("login_required", "A silent sign-in request was sent but no user is signed in."),
    50076: Kind(
        GRANT,
        "By configuration of your administrator you must use multi-factor authentication to access '{resource}'.",
        suberror="basic_action",
    ),
    50105: Kind(
        GRANT, "The signed in user is not assigned to the application '{resource}', which requires assignment."
    ),
    50173: Kind(
        GRANT,
        "The provided grant has been revoked; a fresh auth token is needed. The grant was issued on '{issued}'.",
        suberror="bad_token",
    ),
    53003: Kind(GRANT, "Access has been blocked by Conditional Access policies.", suberror="message_only"),
    65001: Kind(
        GRANT,
        "The user or administrator has not consented to use the application with ID '{client_id}' named '{client}'.",
        suberror="consent_required",
    ),
    500121: Kind("access_denied", "Authentication failed during the strong authentication request."),
    65004: Kind("access_denied", "User declined to consent to access the app."),
    90094: Kind("access_denied", "Consent of an administrator is needed; the account that signed in is not one."),
}


class EntraError(Exception):
    """A request is refused with AADSTS`code`. `claims` is the claims challenge that would let it through."""

    def __init__(
        self,
        code: int,
        *,
        claims: dict[str, object] | None = None,
        error: str | None = None,
        **facts: object,
    ) -> None:
        kind = KINDS[code]
        self.code = code
        self.error = error or kind.error
        self.status = kind.status
        self.suberror = kind.suberror
        self.claims = json.dumps(claims, separators=(",", ":")) if claims else None
        shown = {name: str(value)[:MAX_FACT] for name, value in facts.items()}
        self.message = f"AADSTS{code}: {kind.text.format(**shown)}"
        super().__init__(self.message)
