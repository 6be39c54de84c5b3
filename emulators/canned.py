"""Canned responses of Graph and of the APIs in the table, for tests. The checks of a real API come first."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import Response

from .applications import Application
from .entra.service import Entra
from .entra.verification import TokenError, verify_token_of_any
from .people import person_by_oid
from .requests_io import bearer, json_reply, note

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(eq=False)
class CannedResponse:
    """One response: for a method and a path below the API's base URL, in which `{name}` stands for one segment."""

    route: str
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    """For how many requests; None for all."""
    asked: int = 0
    """How many requests have had it."""

    def __post_init__(self) -> None:
        """Raises ValueError for an invalid route or status."""
        self._method, _, target = self.route.partition(" ")
        path, _, query = target.partition("?")
        if self._method not in METHODS or not path.startswith("/") or " " in target or "#" in target:
            raise ValueError(f'write a method and a path, such as "GET /items", not {self.route!r}')
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError(f"status must be a whole number from 200 to 599, not {self.status!r}")
        self._segments = [unquote(part) for part in path.split("/")]
        self._query = sorted(parse_qsl(query, keep_blank_values=True))
        self._content = self.body if isinstance(self.body, (str, bytes)) else self._as_json()

    def _as_json(self) -> str:
        try:
            return "" if self.body is None else json.dumps(self.body, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"the response of {self.route} must be JSON, a text or bytes: {problem}") from None

    def fits(self, method: str, segments: Sequence[str], query: str) -> bool:
        """Whether it is for this request. A query counts if the route has one."""
        return (
            (self.times is None or self.asked < self.times)
            and method == self._method
            and len(segments) == len(self._segments)
            and all(
                wanted == given or (wanted.startswith("{") and wanted.endswith("}"))
                for wanted, given in zip(self._segments, segments, strict=True)
            )
            and (not self._query or self._query == sorted(parse_qsl(query, keep_blank_values=True)))
        )

    def reply(self) -> Response:
        """The response itself."""
        self.asked += 1
        named = {name.lower() for name in self.headers}
        is_json = self.body is not None and not isinstance(self.body, (str, bytes))
        usual = {"Content-Type": "application/json"} if is_json and "content-type" not in named else {}
        return Response(self._content, self.status, {**usual, **self.headers})


class Canned:
    """The canned responses of one API. `base_path` is the path of its base URL. Safe across threads."""

    def __init__(self, base_path: str) -> None:
        self.base_path = base_path
        self.unanswered: list[str] = []
        """The requests for which there was no response."""
        self._lock = threading.Lock()
        self._responses: list[CannedResponse] = []

    def add(self, response: CannedResponse) -> None:
        """It comes before those that were added earlier."""
        with self._lock:
            self._responses.insert(0, response)

    def find(self, request: Request, segments: Sequence[str] = ()) -> CannedResponse | None:
        """The response for a request, or None. `segments`: those of its path below the base URL, decoded."""
        path, query = ["", *segments] if segments else self.path_of(request).split("/"), request.url.query
        with self._lock:
            return next((one for one in self._responses if one.fits(request.method, path, query)), None)

    def path_of(self, request: Request) -> str:
        """The path below the base URL, decoded."""
        return str(request.scope["path"]).removeprefix(self.base_path) or "/"

    def routes(self) -> list[str]:
        """The routes that have a response."""
        with self._lock:
            return [one.route for one in reversed(self._responses)]

    def unasked(self) -> list[str]:
        """The routes of the responses that no request has had."""
        with self._lock:
            return [one.route for one in reversed(self._responses) if not one.asked]

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._responses.clear()
            self.unanswered.clear()


class StandIn:
    """Sends canned responses for an API of the table. It refuses what an API behind Entra refuses."""

    def __init__(self, application: Application, canned: Canned, entra: Entra) -> None:
        self._application, self._canned, self._entra = application, canned, entra

    def respond(self, request: Request) -> Response:
        """401 for a token that is missing, forged, expired or for another API; 403 without a scope of this one."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        found, asked = self._canned.find(request), f"{request.method} {self._canned.path_of(request)}"
        if found is not None:
            note(request).verdict = f"ok: canned {asked}"
            return found.reply()
        self._canned.unanswered.append(asked)
        known = ", ".join(self._canned.routes()) or "none"
        note(request).verdict = f"no canned response for {asked}; there are: {known}"
        return json_reply({"error": note(request).verdict}, 404)

    def _refusal(self, request: Request) -> Response | None:
        token = bearer(request)
        try:
            claims = verify_token_of_any(token or "", self._entra.keys, self._entra.now())
        except TokenError as bad:
            return _refused(request, 401, "invalid_token", bad.reason if token else "no token")
        if claims.get("aud") not in (self._application.client_id, *self._application.identifier_uris):
            return _refused(request, 401, "invalid_token", "the token is for another API")
        if not self._entra.directory.has(claims["tid"], self._application):
            return _refused(request, 401, "invalid_token", "the API is not in the tenant of the token")
        person = person_by_oid(claims.get("oid"))
        if "scp" not in claims or person is None or person.tenant != claims["tid"]:
            return _refused(request, 401, "invalid_token", "the token is not of a user")
        if not set(str(claims["scp"]).split()) & set(self._application.scopes):
            return _refused(request, 403, "insufficient_scope", "the token has no scope of this API")
        return None


def _refused(request: Request, status: int, code: str, reason: str) -> Response:
    note(request).verdict = f"refused: {code}: {reason}"
    return json_reply({"code": code}, status, {"WWW-Authenticate": f'Bearer error="{code}"'})
