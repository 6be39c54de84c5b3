"""`/{tenant}/oauth2/v2.0/authorize`: checks what a client asks for and sends the person to the sign-in pages."""

from __future__ import annotations

import re
import secrets
import uuid
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..applications import GRAPH, Application
from ..people import Person, person_by_sign_in_name
from ..requests_io import note
from . import pages
from .form import Form, parse_form, read_form
from .records import AuthorizationRequest, Code, Visit
from .redirects import is_registered
from .refusals import EntraError
from .replies import Trace, refusal_body
from .scopes import check_indicator, parse_scopes
from .service import Entra
from .sign_in_pages import begin, refusal_page

CODE_LIFETIME = 600.0
PROMPTS = (None, "login", "select_account", "consent", "none")
RESPONSE_MODES = ("query", "form_post")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 in base64url, the only form of code_challenge with S256."""


async def authorize(request: Request) -> Response:
    """The authorization endpoint. Errors go to the client only once its redirect URI is known to be its own."""
    entra: Entra = request.app.state.entra
    note(request).action = "authorize"
    try:
        form = await read_form(request) if request.method == "POST" else parse_form(request.url.query)
        tenant, client = entra.client(request.path_params["tenant"], form.require("client_id"))
        redirect_uri = form.require("redirect_uri")
        if not is_registered(client, redirect_uri):
            raise EntraError(50011, redirect_uri=redirect_uri, client=client.name)
    except EntraError as refused:
        return refusal_page(entra, request, refused)
    note(request).details["client"] = client.name
    mode = form.get("response_mode", "query")
    reply_to = ReplyTo(redirect_uri, mode if mode in RESPONSE_MODES else "query", form.get("state"))
    try:
        asked = _check(entra, tenant, client, form)
    except EntraError as refused:
        note(request).verdict = refused.message
        return reply_to.refuse(refused, Trace.of(request), entra.now())
    return begin(entra, request, _visit(entra, request, form, asked, reply_to))


def _visit(entra: Entra, request: Request, form: Form, asked: AuthorizationRequest, reply_to: ReplyTo) -> Visit:
    def finish(visit: Visit, person: Person) -> Response:
        code = "1." + secrets.token_urlsafe(480)
        entra.codes.put(code, Code(asked, person, visit.methods), CODE_LIFETIME)
        return reply_to.send({"code": code, "session_state": str(uuid.uuid4())})

    def cancel(refused: EntraError) -> Response:
        return reply_to.refuse(refused, Trace.of(request), entra.now())

    return Visit(
        asked.tenant,
        asked.client,
        asked.scopes,
        finish,
        cancel,
        claims=asked.claims,
        ask_consent=form.get("prompt") == "consent",
        suggested=person_by_sign_in_name(form.get("login_hint", "")),
    )


def _check(entra: Entra, tenant: str, client: Application, form: Form) -> AuthorizationRequest:
    if form.require("response_type") != "code":
        raise EntraError(700054, value=form["response_type"])
    mode = form.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise EntraError(90023, parameter="response_mode", value=mode)
    challenge = _code_challenge(client, form)
    scopes = parse_scopes(entra.directory, client, tenant, form.get("scope"), form.get("resource"))
    check_indicator(scopes.resources[0].resource if scopes.resources else GRAPH, form.get("resource"))
    claims = entra.claims_request(form.get("claims"))
    if form.get("prompt") not in PROMPTS:
        raise EntraError(90023, parameter="prompt", value=form["prompt"])
    if form.get("prompt") == "none":
        raise EntraError(50058)
    return AuthorizationRequest(
        tenant,
        client,
        form["redirect_uri"],
        mode,
        scopes,
        code_challenge=challenge,
        state=form.get("state"),
        nonce=form.get("nonce"),
        claims=claims,
    )


def _code_challenge(client: Application, form: Form) -> str | None:
    challenge = form.get("code_challenge")
    if challenge is None and not client.public:
        return None
    if challenge is None or form.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise EntraError(9002325)
    return challenge


class ReplyTo:
    """Where the client waits for the response, and how it wants it."""

    def __init__(self, redirect_uri: str, mode: str, state: str | None) -> None:
        self._redirect_uri = redirect_uri
        self._mode = mode
        self._state = state

    def send(self, parameters: dict[str, str]) -> Response:
        """Sends the person's browser back to the client with these parameters, and the state it gave."""
        if self._state is not None:
            parameters = {**parameters, "state": self._state}
        if self._mode == "form_post":
            return pages.form_post_page(self._redirect_uri, parameters)
        separator = "&" if "?" in self._redirect_uri else "?"
        where = f"{self._redirect_uri}{separator}{urlencode(parameters)}"
        return RedirectResponse(where, 302, {"Cache-Control": "no-store"})

    def refuse(self, refused: EntraError, trace: Trace, now: float) -> Response:
        """The same with an error (RFC 6749, 4.1.2.1)."""
        body = refusal_body(refused, trace, now)
        return self.send({name: str(body[name]) for name in ("error", "error_description", "error_uri")})
