"""The device authorization endpoint (RFC 8628) and the page on which a person types the code."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from ..people import Person
from ..requests_io import json_reply, note
from . import pages
from .form import read_form
from .records import DeviceSignIn, Visit
from .refusals import EntraError
from .replies import Trace, refusal_reply, trace_headers
from .scopes import parse_scopes
from .service import Entra
from .sign_in_pages import begin, refusal_page

LIFETIME = 900
ALPHABET = "BCDFGHJKLMNPQRSTVWXYZ23456789"


async def device_code(request: Request) -> Response:
    """`POST /{tenant}/oauth2/v2.0/devicecode`: a code for the device and a short one for the person."""
    entra: Entra = request.app.state.entra
    note(request).action = "devicecode"
    try:
        form = await read_form(request)
        tenant, client = entra.client(request.path_params["tenant"], form.require("client_id"))
        if not client.device_codes:
            raise EntraError(7000218)
        scopes = parse_scopes(entra.directory, client, tenant, form.get("scope"), form.get("resource"))
        claims = entra.claims_request(form.get("claims"))
    except EntraError as refused:
        note(request).verdict = refused.message
        return refusal_reply(refused, Trace.of(request), entra.now())
    waiting = DeviceSignIn(client, tenant, scopes, entra.now() + LIFETIME, claims)
    body = _give_out(entra, waiting)
    note(request).verdict = "ok: device code given out"
    note(request).details["client"] = client.name
    return json_reply(body, headers=trace_headers(Trace.of(request)))


def _give_out(entra: Entra, waiting: DeviceSignIn) -> dict[str, object]:
    user_code = "".join(secrets.choice(ALPHABET) for _ in range(9))
    code = "D" + secrets.token_urlsafe(180)
    entra.device_codes.put(code, waiting, LIFETIME * 2)  # kept beyond its end, to say "expired" rather than "unknown"
    entra.user_codes.put(user_code, waiting, LIFETIME)
    page = f"{entra.sign_in_url}/common/oauth2/deviceauth"
    return {
        "user_code": user_code,
        "device_code": code,
        "verification_uri": page,
        "expires_in": LIFETIME,
        "interval": entra.device_code_interval,
        "message": f"To sign in, open the page {page} in a web browser and enter the code {user_code}.",
    }


async def device_page(request: Request) -> Response:
    """`/common/oauth2/deviceauth`: asks for the code (`otc` fills it in), then goes on to the sign-in pages."""
    entra: Entra = request.app.state.entra
    note(request).action = "deviceauth"
    if request.method == "GET":
        note(request).verdict = "ok: asks for the code"
        return pages.user_code_page(request.url.path, request.query_params.get("otc", ""))
    try:
        user_code = (await read_form(request)).require("otc").strip().upper()
        waiting = entra.user_codes.get(user_code)
        if waiting is None:
            raise EntraError(70018)
    except EntraError as refused:
        return refusal_page(entra, request, refused)
    entra.user_codes.discard(user_code)
    return begin(entra, request, _visit(entra, request, waiting))


def _visit(entra: Entra, request: Request, waiting: DeviceSignIn) -> Visit:
    def finish(visit: Visit, person: Person) -> Response:
        waiting.methods = visit.methods
        waiting.person = person
        return pages.done_page(f"You are signed in to {waiting.client.name} on your device. You can close this window.")

    def cancel(refused: EntraError) -> Response:
        waiting.declined = True
        return refusal_page(entra, request, refused)

    return Visit(waiting.tenant, waiting.client, waiting.scopes, finish, cancel, claims=waiting.claims)
