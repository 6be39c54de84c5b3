"""Microsoft Graph: `/me` and a few neighbours, for tokens Graph would accept."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .applications import GRAPH_ID, GRAPH_URI
from .canned import Canned, CannedResponse
from .continuous_access import RESULT, ContinuousAccess, bearer_challenge
from .entra.claims_request import MFA_CLAIMS
from .entra.service import Entra
from .entra.verification import TokenError, verify_token
from .faults import Fault, Faults
from .graph_resources import GraphError, me, messages, nothing, user
from .people import CONTOSO, Person, person_by_oid
from .refused_tokens import RefusedTokens
from .requests_io import bearer, json_reply, note

GRAPH_HOST = "graph.microsoft.com"
Handler = Callable[[Request, Person, "frozenset[str]"], "dict[str, object]"]


class Graph:
    """The service. It trusts nothing but the signature and the claims of the token it gets."""

    def __init__(self, entra: Entra, faults: Faults) -> None:
        self._entra = entra
        self._faults = faults
        self.continuous_access = ContinuousAccess()
        self.refused_tokens = RefusedTokens()
        self.canned = Canned("/v1.0")
        """Responses that a test has given; they come before the emulator's own."""

    def build_app(self) -> ASGIApp:
        """The ASGI application of graph.microsoft.com."""
        own = self._own()

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            canned = self.canned.find(request)
            reply: ASGIApp = own if canned is None else self._canned(request, canned)
            await reply(scope, receive, send)

        return serve

    def _canned(self, request: Request, canned: CannedResponse) -> Response:
        """What a test has given, for those whom Graph lets in. The permissions that the emulator knows hold."""
        note(request).action = "canned"
        try:
            person, scopes = self._caller(request)
            self._check_permission(request, person, scopes)
        except GraphError as refusal:
            note(request).verdict = refusal.verdict
            return _refused(request, refusal)
        note(request).verdict = f"ok: canned {canned.route}"
        return canned.reply()

    def _check_permission(self, request: Request, person: Person, scopes: frozenset[str]) -> None:
        known = {"/me": me, "/me/messages": messages}.get(self.canned.path_of(request))
        if known is not None and request.method == "GET":
            try:
                known(request, person, scopes)
            except GraphError as refusal:
                if refusal.status == 403:  # what else it says is about the resource, which the test replaces
                    raise

    def _own(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1.0/me", self._guarded("me", me)),
                Route("/v1.0/me/messages", self._guarded("messages", messages)),
                Route("/v1.0/users/{id}", self._guarded("user", user)),
                Route("/{rest:path}", self._guarded("?", nothing)),
            ],
            exception_handlers={HTTPException: _method_not_allowed},
        )

    def challenge(
        self, claims: dict[str, object] | None = None, *, times: int | None = 1, person: str | None = None
    ) -> Fault:
        """Makes Graph respond 401 with a claims challenge, as continuous access evaluation does. None asks for MFA."""
        headers = {"WWW-Authenticate": bearer_challenge(MFA_CLAIMS if claims is None else claims)}
        body = _error_body("InvalidAuthenticationToken", f"{RESULT}.")
        return self._faults.add("graph", status=401, headers=headers, body=body, times=times, person=person)

    def _guarded(self, action: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            note(request).action = action
            try:
                person, scopes = self._caller(request)
                body = handler(request, person, scopes)
            except GraphError as refusal:
                note(request).verdict = refusal.verdict
                return _refused(request, refusal)
            note(request).verdict = f"ok: {action} of {person.name}"
            return json_reply(body, headers=_ids(request))

        return handle

    def _caller(self, request: Request) -> tuple[Person, frozenset[str]]:
        token = bearer(request)
        if token is None:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            claims = verify_token(token, self._entra.keys, CONTOSO, self._entra.now())
        except TokenError as bad:
            raise GraphError(401, "InvalidAuthenticationToken", _explain(bad)) from None
        if str(claims.get("aud", "")).rstrip("/") not in (GRAPH_URI, GRAPH_ID):
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        person = person_by_oid(claims.get("oid"))
        if person is None or "scp" not in claims:
            raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        if not self.refused_tokens.accepts(token):
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
        self.continuous_access.check(claims, self._entra.directory.revoked_at(person))
        return person, frozenset(str(claims["scp"]).split())


def _explain(bad: TokenError) -> str:
    if bad.reason == "time":
        return "Lifetime validation failed, the token is expired."
    if bad.reason == "malformed":
        return "IDX14100: JWT is not well formed."
    return f"Access token validation failure. {bad}"


def _ids(request: Request) -> dict[str, str]:
    identifier: str = request.scope.setdefault("emulators.request-id", str(uuid.uuid4()))
    return {"request-id": identifier, "client-request-id": request.headers.get("client-request-id", identifier)}


def _error_body(code: str, message: str, ids: dict[str, str] | None = None) -> dict[str, Any]:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"error": {"code": code, "message": message, "innerError": {"date": date, **(ids or {})}}}


def _refused(request: Request, refusal: GraphError) -> Response:
    ids = _ids(request)
    plain = f'Bearer realm="", client_id="{GRAPH_ID}"'
    headers = {"WWW-Authenticate": refusal.challenge or plain} if refusal.status == 401 else {}
    return json_reply(_error_body(refusal.code, str(refusal), ids), refusal.status, {**ids, **headers})


async def _method_not_allowed(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    return _refused(request, GraphError(status, "Request_BadRequest", "Specified HTTP method is not allowed."))
