"""The sign-in pages in their order: account, second factor, consent, and then the response to the client."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from ..people import EVERYONE, Person, people_of
from ..requests_io import note
from . import pages
from .consents import missing_permissions, record_consent
from .decision import required_methods
from .form import Form, read_form
from .records import Visit
from .refusals import EntraError
from .replies import Trace, stamp
from .service import Entra

TIMEOUT = 900.0
"""Seconds a person has for the pages."""

FormHandler = Callable[[Entra, Visit, Form], None]
"""Processes the form that the person has submitted."""


def begin(entra: Entra, request: Request, visit: Visit) -> Response:
    """The first page of a sign-in."""
    flow = secrets.token_urlsafe(24)
    entra.visits.put(flow, visit, TIMEOUT)
    return _next(entra, request, flow, visit)


async def account(request: Request) -> Response:
    """The form of the account picker was submitted."""
    return await _step(request, "sign-in", _choose_account)


async def second_factor(request: Request) -> Response:
    """The form of the MFA page was submitted."""
    return await _step(request, "mfa", _approve)


async def consent(request: Request) -> Response:
    """The form of the consent page was submitted."""
    return await _step(request, "consent", _consent)


def _choose_account(entra: Entra, visit: Visit, form: Form) -> None:
    person = EVERYONE.get(form.require("account"))
    if person is None or person.tenant != visit.tenant:
        raise EntraError(50034, tenant=visit.tenant)
    if visit.for_everybody and not entra.directory.is_admin(person):
        raise EntraError(90094)
    visit.person = person


def _approve(_entra: Entra, visit: Visit, form: Form) -> None:
    if form.require("answer") != "yes":
        raise EntraError(500121)
    visit.more_methods |= required_methods(visit.claims)


def _consent(entra: Entra, visit: Visit, form: Form) -> None:
    if form.require("answer") != "yes" or visit.person is None:
        raise EntraError(65004)
    record_consent(entra, visit, visit.person)
    visit.consented = True


async def _step(request: Request, action: str, handle: FormHandler) -> Response:
    entra: Entra = request.app.state.entra
    note(request).action = action
    try:
        form = await read_form(request)
        flow = form.require("flow")
        visit = entra.visits.get(flow)
        if visit is None:
            raise EntraError(9002313, reason="this sign-in has ended or taken too long; start again")
    except EntraError as refused:
        return refusal_page(entra, request, refused)
    try:
        handle(entra, visit, form)
    except EntraError as refused:
        return _end(entra, request, flow, visit, refused)
    return _next(entra, request, flow, visit)


def _end(entra: Entra, request: Request, flow: str, visit: Visit, refused: EntraError) -> Response:
    note(request).verdict = refused.message
    entra.visits.discard(flow)
    return visit.cancel(refused)


def _next(entra: Entra, request: Request, flow: str, visit: Visit) -> Response:
    base = f"{request.scope.get('root_path', '')}/{visit.tenant}"
    person = visit.person
    if person is None:
        note(request).verdict = "ok: asks for the account"
        return pages.account_page(f"{base}/login", flow, visit.client.name, _suggested_first(visit))
    note(request).person = person.name
    if needed := required_methods(visit.claims) - visit.more_methods:
        what = "passkey" if "fido" in needed else "second factor"
        note(request).verdict = f"ok: asks {person.name} for a {what}"
        return pages.second_factor_page(f"{base}/SAS/ProcessAuth", flow, person, what)
    missing = [] if visit.consented else missing_permissions(entra, visit, person)
    if any(set(p.scopes) & p.resource.admin_only for p in missing) and not entra.directory.is_admin(person):
        return _end(entra, request, flow, visit, EntraError(90094))
    if missing:
        note(request).verdict = f"ok: asks {person.name} for consent"
        return pages.consent_page(f"{base}/Consent/Set", flow, person, missing, everybody=visit.for_everybody)
    entra.visits.discard(flow)
    note(request).verdict = f"ok: {person.name} signed in" + (" with MFA" if "mfa" in visit.methods else "")
    return visit.finish(visit, person)


def _suggested_first(visit: Visit) -> list[Person]:
    return sorted(people_of(visit.tenant), key=lambda person: person is not visit.suggested)


def refusal_page(entra: Entra, request: Request, refused: EntraError) -> Response:
    """The page for an error that cannot be sent to the client."""
    note(request).verdict = refused.message
    trace = Trace.of(request)
    facts = {"Trace ID": trace.trace_id, "Correlation ID": trace.correlation_id, "Timestamp": stamp(entra.now())}
    return pages.error_page(refused.message, facts)
