"""Azure AI Search: queries and documents of an index, behind a delegated token and a role of the user.

The service is set up for roles. A bad token gets 401 and a challenge (`http401WithBearerChallenge`):
https://learn.microsoft.com/azure/search/search-security-enable-roles
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..entra.service import HOST as ENTRA_HOST
from ..entra.service import Entra
from ..people import CONTOSO, Person
from ..requests_io import json_object, json_reply, note
from .access import Access, RoleMissingError, TokenRefusedError
from .declared import READ, WRITE, AzureService
from .search_index import Index, SearchError, select_of

_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-[Pp]review)?")
Handler = Callable[[Request, Index], Awaitable[Response]]


class Search:
    """The service: its indexes by name, and its HTTP interface."""

    def __init__(self, entra: Entra, service: AzureService) -> None:
        self.service, self.access = service, Access(entra, service)
        self.indexes: dict[str, Index] = {}
        """Indexes by name. A test may add more."""
        self.reset()

    def reset(self) -> None:
        """Makes it what it is at the start: one index with three documents, and the roles of the table."""
        self.access.reset()
        self.indexes.clear()
        self.indexes["docs"] = Index("docs")
        self.indexes["docs"].put(
            [
                {"id": "1", "title": "Travel policy", "owner": "alice"},
                {"id": "2", "title": "Travel report", "owner": "olga"},
                {"id": "3", "title": "Lunch menu", "owner": "olga"},
            ]
        )

    def build_app(self) -> Starlette:
        """The ASGI application of the service's host name."""
        below = "/indexes('{index}')/docs"
        return Starlette(
            routes=[
                Route(f"{below}/search.post.search", self._guarded("search", READ, self._query), methods=["POST"]),
                Route(f"{below}/search.index", self._guarded("index documents", WRITE, self._load), methods=["POST"]),
                Route(f"{below}/$count", self._guarded("count documents", READ, self._count)),
                Route(below + "('{key:path}')", self._guarded("get document", READ, self._document)),
            ]
        )

    def _guarded(self, action: str, right: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            note(request).action = action
            try:
                person = self._authorize(request, right)
                if not _API_VERSION.fullmatch(request.query_params.get("api-version", "")):
                    raise SearchError(400, "The api-version query parameter is missing or invalid.")
                reply = await handler(request, self._index(request.path_params["index"]))
            except TokenRefusedError as bad:
                return self._unauthorized(request, bad)
            except SearchError as refusal:
                note(request).verdict = f"refused: {refusal}"
                return _refused(refusal)
            note(request).verdict = f"ok: {action} as {person.name}"
            return reply

        return handle

    def _authorize(self, request: Request, right: str) -> Person:
        try:
            return self.access.caller(request, right)
        except RoleMissingError as lacking:
            note(request).details["needs"] = " or ".join(lacking.needs)
            message = "The caller does not have permission to perform this action."
            raise SearchError(403, message, "Forbidden") from None

    def _index(self, name: str) -> Index:
        if name not in self.indexes:
            host = self.service.host.partition(".")[0]
            raise SearchError(404, f"The index '{name}' for service '{host}' was not found.", "ResourceNotFound")
        return self.indexes[name]

    async def _query(self, request: Request, index: Index) -> Response:
        return _json(index.search(await _body(request)))

    async def _load(self, request: Request, index: Index) -> Response:
        actions = (await _body(request)).get("value")
        if not isinstance(actions, list) or not 1 <= len(actions) <= 1_000:
            raise SearchError(400, "The request is invalid. Details: value must be a list of 1 to 1000 actions.")
        results = [index.apply(action) for action in actions]
        return _json({"value": results}, 200 if all(result["status"] for result in results) else 207)

    async def _count(self, _request: Request, index: Index) -> Response:
        return Response(str(len(index.documents())), 200, _ids(), "text/plain")

    async def _document(self, request: Request, index: Index) -> Response:
        found = index.find(request.path_params["key"].replace("''", "'"))
        if found is None:
            raise SearchError(404, "Document not found.", "ResourceNotFound")
        return _json(index.selected(found, select_of(request.query_params.get("$select"))))

    def _unauthorized(self, request: Request, bad: TokenRefusedError) -> Response:
        note(request).verdict = f"refused: {bad}"
        where = f'authorization_uri="https://{ENTRA_HOST}/{CONTOSO}/oauth2/authorize"'
        asked = f'Bearer {where}, resource_id="{self.access.kind.resource}"'
        if bad.claims is not None:
            encoded = base64.b64encode(json.dumps(bad.claims).encode()).decode()
            asked = f'Bearer {where}, error="insufficient_claims", claims="{encoded}"'
        reply = _refused(SearchError(401, "The access token is missing or invalid.", "Unauthorized"))
        reply.headers["WWW-Authenticate"] = asked
        return reply


async def _body(request: Request) -> dict[str, object]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise SearchError(415, "The content type must be application/json.")
    try:
        return json_object(await request.body())
    except ValueError as problem:
        raise SearchError(400, f"The request is invalid. Details: {problem}") from None


def _ids() -> dict[str, str]:
    return {"request-id": str(uuid.uuid4()), "OData-Version": "4.0"}


def _json(body: object, status: int = 200) -> Response:
    return json_reply(body, status, _ids())


def _refused(refusal: SearchError) -> Response:
    return _json({"error": {"code": refusal.code, "message": str(refusal)}}, refusal.status)
