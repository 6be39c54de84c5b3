"""Polling with a device code (RFC 8628, 3.4)."""

from __future__ import annotations

from ...people import Person
from ..decision import check_claims
from ..records import DeviceSignIn, SignIn
from ..refusals import EntraError
from .call import Call, token_response

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


def poll(call: Call) -> dict[str, object]:
    """Tokens once the person has approved; until then a refusal that says to wait, to slow down, or to give up."""
    code = call.form.require("device_code")
    waiting = call.entra.device_codes.get(code)
    if waiting is None or waiting.client != call.client or waiting.tenant != call.tenant:
        raise EntraError(70018)
    person = _approved(call, waiting)
    call.entra.device_codes.discard(code)
    call.concerns(person)
    claims = call.claims if "claims" in call.form else waiting.claims
    resource = waiting.scopes.one_resource().resource
    check_claims(call.entra, resource, claims, SignIn(call.entra.now(), waiting.methods))
    return token_response(call, person, waiting.scopes, methods=waiting.methods, claims=claims)


def _approved(call: Call, waiting: DeviceSignIn) -> Person:
    now, last = call.entra.now(), waiting.last_poll
    if now >= waiting.expires:
        raise EntraError(70019)
    if waiting.declined:
        raise EntraError(65004, error="authorization_declined")
    if waiting.person is not None:
        return waiting.person
    waiting.last_poll = now
    if last and now - last < call.entra.device_code_interval - 1:  # a second's grace for the way of the request
        raise EntraError(70016, error="slow_down")
    raise EntraError(70016)
