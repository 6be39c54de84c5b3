"""`POST /{tenant}/oauth2/v2.0/token`: finds the tenant, the client and the grant, and turns refusals into replies."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from ..requests_io import fingerprint, json_reply, note
from .client_authentication import authenticate
from .form import Form, read_form
from .grants import authorization_code, client_credentials, device_code, on_behalf_of, refresh_token
from .grants.call import Call
from .refusals import EntraError
from .replies import Trace, refusal_reply, trace_headers
from .service import Entra

MAX_CLAIMS = 2_000
"""Longest claims request that the audit trail repeats."""

GRANTS: dict[str, tuple[str, Callable[[Call], dict[str, object]]]] = {
    "authorization_code": ("authorization_code", authorization_code.redeem),
    "refresh_token": ("refresh_token", refresh_token.refresh),
    "client_credentials": ("client_credentials", client_credentials.issue),
    device_code.GRANT_TYPE: ("device_code", device_code.poll),
    on_behalf_of.GRANT_TYPE: ("obo", on_behalf_of.exchange),
}
"""Grant type → its name in the audit trail, and what handles it."""


async def token(request: Request) -> Response:
    """The token endpoint."""
    entra: Entra = request.app.state.entra
    note(request).action = "token"
    trace = Trace.of(request)
    try:
        form = await read_form(request)
        trace = Trace.of(request, form.get("client-request-id"))
        reply = _grant(entra, request, form)
    except EntraError as refused:
        note(request).verdict = refused.message
        return refusal_reply(refused, trace, entra.now())
    return json_reply(reply, headers=trace_headers(trace))


def _grant(entra: Entra, request: Request, form: Form) -> dict[str, object]:
    written = note(request)
    tenant_name = request.path_params["tenant"]
    grant_type = form.require("grant_type")
    action, handle = GRANTS.get(grant_type, ("token", None))
    written.action = action
    if handle is None:
        raise EntraError(70003, grant=grant_type)
    tenant, client = entra.client(tenant_name, form.require("client_id"))
    written.details["client"] = client.name
    proof = authenticate(entra, tenant, client, form)
    if assertion := form.get("client_assertion"):
        written.details["client_assertion"] = fingerprint(assertion)
        entra.on_token(assertion)
    if "claims" in form:
        entra.claims_request(form["claims"])
        written.details["claims"] = form["claims"][:MAX_CLAIMS]
    return handle(Call(entra, tenant, client, form, proof, written))
