"""Redeeming an authorization code (RFC 6749, 4.1.3, with PKCE, RFC 7636)."""

from __future__ import annotations

import hashlib
import hmac

from ...applications import Application
from ...certificates import base64url
from ...people import Person
from ..decision import check_claims
from ..records import Code, SignIn
from ..redirects import same_redirect
from ..refusals import EntraError
from ..scopes import RequestedScopes, check_indicator, parse_scopes
from .call import Call, token_response


def redeem(call: Call) -> dict[str, object]:
    """Exchanges the code for tokens; a code is good once, for the client and redirect URI it was given to."""
    code = call.form.require("code")
    kept = call.entra.codes.get(code)
    if kept is None:
        raise EntraError(70008) if code.startswith("1.") else EntraError(70000, reason="the code is malformed")
    person = kept.person
    call.concerns(person)
    _check_binding(call, kept)
    requested = _scopes(call, kept.request.scopes, call.client)
    if kept.redeemed:
        raise EntraError(54005)
    kept.redeemed = True
    return _token_response(call, kept, person, requested)


def _check_binding(call: Call, kept: Code) -> None:
    asked = kept.request
    if asked.client != call.client or asked.tenant != call.tenant:
        raise EntraError(70000, reason="the code was given to another application")
    if not same_redirect(call.form.require("redirect_uri"), asked.redirect_uri):
        raise EntraError(500112, redirect_uri=call.form["redirect_uri"])
    if asked.code_challenge is not None:
        digest = hashlib.sha256(call.form.require("code_verifier").encode()).digest()
        if not hmac.compare_digest(base64url(digest), asked.code_challenge):
            raise EntraError(501481)


def _scopes(call: Call, asked: RequestedScopes, client: Application) -> RequestedScopes:
    """The scopes of the redemption; those of the sign-in when it names none. OpenID scopes come from the sign-in."""
    named = asked
    if "scope" in call.form:
        named = parse_scopes(call.entra.directory, client, call.tenant, call.form["scope"], call.indicator)
    requested = RequestedScopes(named.resources or asked.resources, named.oidc | asked.oidc)
    check_indicator(requested.one_resource().resource, call.indicator)
    return requested


def _token_response(call: Call, kept: Code, person: Person, requested: RequestedScopes) -> dict[str, object]:
    claims = call.claims if "claims" in call.form else kept.request.claims
    check_claims(call.entra, requested.one_resource().resource, claims, SignIn(call.entra.now(), kept.methods))
    return token_response(
        call,
        person,
        requested,
        methods=kept.methods,
        claims=claims,
        nonce=kept.request.nonce,
    )
