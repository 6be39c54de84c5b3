"""The On-Behalf-Of exchange: a user's token for this application becomes one for the next (jwt-bearer, RFC 7523)."""

from __future__ import annotations

from typing import Any

from ...people import Person, person_by_oid
from ...requests_io import fingerprint
from ..claims import BACKDATE
from ..decision import check_assigned, check_conditional_access, check_not_revoked
from ..records import SignIn
from ..refusals import EntraError
from ..replies import stamp
from ..scopes import parse_scopes
from ..verification import TokenError, verify_token
from .call import Call, token_response

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def exchange(call: Call) -> dict[str, object]:
    """Checks the user's token, the request and the tenant's policies, in this order; then issues the token."""
    assertion = call.form.require("assertion")
    call.note.details["assertion"] = fingerprint(assertion)
    if call.form.require("requested_token_use") != "on_behalf_of":
        raise EntraError(90023, parameter="requested_token_use", value=call.form["requested_token_use"])
    if call.client.public:
        raise EntraError(7000218)
    claims = _assertion_claims(call, assertion)
    person = _person(call, claims)
    call.concerns(person)
    requested = parse_scopes(call.entra.directory, call.client, call.tenant, call.form.get("scope"), call.indicator)
    wanted = requested.one_resource()
    if wanted.resource == call.client:
        raise EntraError(90009, client=call.client.name)
    methods = tuple(str(method) for method in claims.get("amr", ["pwd"]))
    sign_in = SignIn(float(claims["iat"]) + BACKDATE, methods)
    check_not_revoked(call.entra, person, sign_in.at)
    check_assigned(call.entra, person, wanted.resource)
    check_conditional_access(call.entra, person, wanted.resource, call.claims, sign_in)
    return token_response(call, person, requested, methods=methods, claims=call.claims)


def _assertion_claims(call: Call, assertion: str) -> dict[str, Any]:
    try:
        claims = verify_token(assertion, call.entra.keys, call.tenant, call.entra.now())
    except TokenError as bad:
        if bad.reason != "time":
            raise EntraError(50013, reason=str(bad)) from None
        expiry = bad.claims.get("exp")
        shown = stamp(expiry) if isinstance(expiry, (int, float)) else "missing"
        raise EntraError(500133, now=stamp(call.entra.now()), expiry=shown) from None
    caller = claims.get("azp") or claims.get("appid")
    if caller is None:
        raise EntraError(240002)
    if not isinstance(claims.get("iat"), (int, float)):
        raise EntraError(50013, reason="The claim iat is missing.")
    if claims.get("idtyp") == "app" or "scp" not in claims:
        raise EntraError(7000114, client=caller)
    if not call.client.answers_to(str(claims.get("aud", ""))):
        raise EntraError(500131, audience=claims.get("aud"), expected=call.client.client_id)
    return claims


def _person(call: Call, claims: dict[str, Any]) -> Person:
    person = person_by_oid(claims.get("oid"))
    if person is None or not claims.get("tid") == call.tenant == person.tenant:
        raise EntraError(50034, tenant=call.tenant)
    return person
