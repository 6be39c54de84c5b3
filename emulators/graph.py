"""Microsoft Graph: profile, mail, drive, groups and batches, for tokens Graph would accept."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .applications import GRAPH_ID, GRAPH_URI
from .canned import Canned
from .continuous_access import RESULT, ContinuousAccess, bearer_challenge
from .entra.claims_request import MFA_CLAIMS
from .entra.service import Entra
from .entra.verification import TokenError, verify_token_of_any
from .faults import Fault, Faults
from .graph_batch import Part, parts_of, run
from .graph_drive import Drives
from .graph_groups import Groups
from .graph_mail import Mail
from .graph_paging import Pages
from .graph_registrations import Registrations
from .graph_resources import routes
from .graph_routes import APPLICATION, NOTHING, Call, GraphError, Route, segments_of
from .people import Person, person_by_oid
from .refused_tokens import RefusedTokens
from .requests_io import bearer, json_reply, note

GRAPH_HOST = "graph.microsoft.com"


class Graph:
    """The service. It trusts nothing but the signature and the claims of the token it gets."""

    def __init__(self, entra: Entra, faults: Faults) -> None:
        self._entra = entra
        self._faults = faults
        self.continuous_access = ContinuousAccess()
        self.refused_tokens = RefusedTokens()
        self.canned = Canned("/v1.0")
        """Responses that a test has given; they come before the emulator's own."""
        pages = Pages()
        self.mail = Mail(pages)
        self.drives = Drives(pages, entra.now)
        groups = Groups(pages, entra.directory)
        self._routes = [*routes(), *self.mail.routes(), *self.drives.routes(), *groups.routes()]
        self._routes += Registrations(pages, entra.directory).routes()

    def build_app(self) -> ASGIApp:
        """The ASGI application of graph.microsoft.com."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            reply = await self._respond(request, await request.body())
            await reply(scope, receive, send)

        return serve

    async def _respond(self, request: Request, body: bytes) -> Response:
        segments = segments_of(request.scope.get("raw_path") or request.url.path.encode())
        try:
            if segments == ["$batch"] and request.method == "POST":
                return await self._batch(request, body)
            return self._one(request, segments, body)
        except GraphError as refusal:
            note(request).verdict = refusal.verdict
            return _refused(request, refusal)

    def _one(self, request: Request, segments: list[str], body: bytes) -> Response:
        """The response to a request that is no batch. Raises GraphError."""
        canned = self.canned.find(request, segments)
        route, parameters = self._find(request.method, segments, is_canned=canned is not None)
        note(request).action = "canned" if canned else route.action
        person, scopes = self._caller(request, for_apps=route.for_apps)
        route.needs.check(scopes)
        if canned is not None:
            note(request).verdict = f"ok: canned {canned.route}"
            return canned.reply()
        reply = route.handler(Call(request, person, scopes, parameters, body))
        note(request).verdict = f"ok: {route.action} of {person.name}"
        if isinstance(reply, Response):
            reply.headers.update(_ids(request))
            return reply
        return json_reply(reply, headers=_ids(request))

    def _find(self, method: str, segments: list[str], *, is_canned: bool) -> tuple[Route, dict[str, str]]:
        """The route of a request, with the parameters of its path. Raises GraphError for a method that it has not."""
        wanted = "GET" if method == "HEAD" else method
        fits = [(route, found) for route in self._routes if (found := route.match(segments)) is not None]
        chosen = next((one for one in fits if one[0].method == wanted), None)
        if chosen is None and fits and not is_canned:
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        return chosen or (_ELSEWHERE, {})

    async def _batch(self, request: Request, body: bytes) -> Response:
        note(request).action = "batch"
        person, _ = self._caller(request, for_apps=True)  # each part is judged by itself
        parts = parts_of(body)

        async def send(part: Part) -> Response:
            return await self._respond(_inner(request, part), part.body)

        replies = await run(parts, send)
        note(request).verdict = f"ok: batch of {person.name}: {', '.join(str(one['status']) for one in replies)}"
        return json_reply({"responses": replies}, headers=_ids(request))

    def challenge(
        self, claims: dict[str, object] | None = None, *, times: int | None = 1, person: str | None = None
    ) -> Fault:
        """Makes Graph respond 401 with a claims challenge, as continuous access evaluation does. None asks for MFA."""
        headers = {"WWW-Authenticate": bearer_challenge(MFA_CLAIMS if claims is None else claims)}
        body = _error_body("InvalidAuthenticationToken", f"{RESULT}.")
        return self._faults.add("graph", status=401, headers=headers, body=body, times=times, person=person)

    def _caller(self, request: Request, *, for_apps: bool) -> tuple[Person, frozenset[str]]:
        """The person and the scopes; APPLICATION and its roles for an application, where it may call."""
        token = bearer(request)
        if token is None:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            claims = verify_token_of_any(token, self._entra.keys, self._entra.now())
        except TokenError as bad:
            raise GraphError(401, "InvalidAuthenticationToken", _explain(bad)) from None
        if str(claims.get("aud", "")).rstrip("/") not in (GRAPH_URI, GRAPH_ID):
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        is_app = "scp" not in claims and claims.get("oid") == claims.get("sub")
        if is_app and for_apps:
            if not self.refused_tokens.accepts(token):
                raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
            return replace(APPLICATION, tenant=str(claims["tid"])), frozenset(claims.get("roles", ()))
        person = person_by_oid(claims.get("oid"))
        if person is None or person.tenant != claims["tid"] or "scp" not in claims:
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


def _inner(request: Request, part: Part) -> Request:
    """The request of one part of a batch: it goes out with the token of the batch."""
    path, _, query = part.url.partition("?")
    raw = f"/v1.0/{path.lstrip('/')}".encode()
    own = {**part.headers, "authorization": request.headers["authorization"]}
    scope = {
        "type": "http",
        "method": part.method,
        "path": unquote(raw.decode()),
        "raw_path": raw,
        "query_string": query.encode(),
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in own.items()
        ],
        "scheme": "https",
        "server": (GRAPH_HOST, 443),
    }
    return Request(scope)


def _nothing(call: Call) -> dict[str, object] | Response:
    raise GraphError(404, "ResourceNotFound", f"There is no resource at {call.request.url.path} in this emulator.")


_ELSEWHERE = Route("GET", "", "?", NOTHING, _nothing, for_apps=True)
"""Every path that is not emulated."""
