"""Refreshing: a new access token, for the same or another resource, without a sign-in (RFC 6749, 6)."""

from __future__ import annotations

from dataclasses import replace

from ..decision import check_assigned, check_conditional_access, check_not_revoked
from ..records import SignIn
from ..refusals import EntraError
from ..scopes import parse_scopes
from .call import Call, token_response


def refresh(call: Call) -> dict[str, object]:
    """Issues new tokens and a new refresh token; the old one stays good, as Entra's does for public clients."""
    kept = call.entra.refresh_tokens.get(call.form.require("refresh_token"))
    if kept is None:
        raise EntraError(700082)
    call.concerns(kept.person)
    if kept.client != call.client or kept.tenant != call.tenant:
        raise EntraError(70000, reason="the refresh token was given to another application")
    requested = parse_scopes(call.entra.directory, call.client, call.tenant, call.form.get("scope"), call.indicator)
    resource = requested.one_resource().resource
    check_not_revoked(call.entra, kept.person, kept.issued)
    check_assigned(call.entra, kept.person, resource)
    if call.claims.is_step_up:
        sign_in = SignIn(kept.issued, kept.methods)
        check_conditional_access(call.entra, kept.person, resource, call.claims, sign_in)
    requested = replace(requested, oidc=requested.oidc | {"offline_access"})
    return token_response(call, kept.person, requested, methods=kept.methods, claims=call.claims)
