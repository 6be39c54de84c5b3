"""Which person a request is about, without validating it. For the audit trail, and for faults that hit one person."""

from __future__ import annotations

from starlette.requests import Request

from .entra.form import parse_form
from .entra.refusals import EntraError
from .entra.service import Entra
from .entra.verification import peek
from .people import Person, person_by_oid
from .recorder import PeekPerson
from .requests_io import bearer


def nobody(_request: Request, _body: bytes) -> str | None:
    """For services that serve no person."""
    return None


def from_bearer(request: Request, _body: bytes) -> str | None:
    """The person the bearer token speaks of."""
    return _name(person_by_oid(peek(bearer(request) or "").get("oid")))


def from_token_request(entra: Entra) -> PeekPerson:
    """The person behind the assertion, code or refresh token of a call of the token endpoint."""

    def look(request: Request, body: bytes) -> str | None:
        if request.method != "POST" or not request.url.path.endswith("/token"):
            return None
        try:
            form = parse_form(body.decode("utf-8", "replace"))
        except EntraError:
            return None
        sign_in = entra.codes.get(form.get("code", ""))
        device = entra.device_codes.get(form.get("device_code", ""))
        refreshed = entra.refresh_tokens.get(form.get("refresh_token", ""))
        person = person_by_oid(peek(form.get("assertion", "")).get("oid"))
        found = (person, sign_in and sign_in.person, device and device.person, refreshed and refreshed.person)
        return next((candidate.name for candidate in found if candidate), None)

    return look


def _name(person: Person | None) -> str | None:
    return person.name if person else None
