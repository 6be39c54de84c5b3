"""What clients may know before they sign in: protected resource metadata (RFC 9728), and its part of a challenge.

This module is imported where an app registers the route, or at the first challenge. A valid token never needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from ..errors import ApiError, NotFound
from ..settings import ORGANIZATIONS, WELL_KNOWN, PublicUrl, Settings
from ..settings.public_urls import at, covering
from ..telemetry import RequestRecord, notes
from .response import reply_to_error

MAX_AGE_SECONDS = 3600  # of a document, and of the response to a preflight
_CORS = {"Access-Control-Allow-Origin": "*"}  # it is public: clients in a browser read it, too
_METHODS = ("GET", "HEAD", "OPTIONS")
_PREFLIGHT = {
    "Allow": ", ".join(_METHODS),
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    **_CORS,
}


class Resource:
    """What the challenges of one function say of one address. Made once, and kept."""

    __slots__ = ("_metadata", "_prefix", "_scope")

    def __init__(self, url: PublicUrl, scopes: Sequence[str]) -> None:
        self._prefix, self._metadata = url.url, url.metadata
        self._scope = self._qualified(scopes)

    def parameters(self, scope: str | None) -> dict[str, str]:
        """`scope`, written out, and `resource_metadata` (RFC 9728 §5.1). To Entra, a bare scope is one of Graph.

        Args:
            scope: the scopes that the error names, in place of those of the function.
        """
        named = self._scope if scope is None else self._qualified(scope.split())
        return {**({"scope": named} if named else {}), "resource_metadata": self._metadata}

    def _qualified(self, scopes: Sequence[str]) -> str:
        return " ".join(f"{self._prefix}/{scope}" for scope in scopes)


def address_of(request: func.HttpRequest, urls: Sequence[PublicUrl]) -> PublicUrl | None:
    """The address that covers the path of the request."""
    host, path = _host_and_path(request)
    return covering(urls, host, path)


def metadata_routes(settings: Callable[[], Settings]) -> func.Blueprint:
    """The route of the metadata documents (RFC 9728): `/.well-known/oauth-protected-resource`, and more of a path.

    A client that knows the address of the API alone learns there how to sign in. Each `AzureAd__PublicUrls` has its own
    document. The route is anonymous, and 404 for every other path. host.json must have an empty `routePrefix`.
    """
    blueprint = func.Blueprint()

    @blueprint.route(f"{WELL_KNOWN}/{{*path}}", methods=_METHODS, auth_level=func.AuthLevel.ANONYMOUS)
    async def protected_resource_metadata(req: func.HttpRequest) -> func.HttpResponse:
        """How to sign in for this API (RFC 9728). Anonymous; needs no worker thread."""
        return _preflight() if req.method == "OPTIONS" else _respond(req, settings)

    return blueprint


def _preflight() -> func.HttpResponse:
    """The response to a browser's preflight request, which comes because MCP clients send a header of their own."""
    return func.HttpResponse(status_code=204, headers=_PREFLIGHT)


def _respond(request: func.HttpRequest, settings: Callable[[], Settings]) -> func.HttpResponse:
    notes.enter_request()
    record = RequestRecord("protected_resource_metadata", request.method, request.headers.get("traceparent", ""))
    failure: ApiError | None = None
    try:
        reply = _document(request, settings())
    except ApiError as error:  # SettingsError, or NotFound
        failure, reply = error, reply_to_error(error, record.correlation_id)
    reply.headers.update(_CORS)
    record.close(reply.status_code, failure)
    return reply


def _document(request: func.HttpRequest, settings: Settings) -> func.HttpResponse:
    rest = request.route_params.get("path", "").strip("/")
    url = at(settings.public_urls, _host_and_path(request)[0], f"/{rest}" if rest else "")
    if url is None:
        raise NotFound("No address of this API has this path.", reason="no AzureAd__PublicUrls has this path")
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
    return func.HttpResponse(json.dumps(metadata(settings, url)), headers=headers, mimetype="application/json")


def metadata(settings: Settings, url: PublicUrl) -> dict[str, Any]:
    """The document (RFC 9728 §2). A list without entries is left out, as §3.2 demands."""
    authority = settings.authority
    server = f"{authority.url}/v2.0" if authority.tenant_id == ORGANIZATIONS else authority.issuer
    scopes = [f"{url.url}/{scope}" for scope in settings.scopes]
    return {
        "resource": url.url,
        "authorization_servers": [server],
        **({"scopes_supported": scopes} if scopes else {}),
        "bearer_methods_supported": ["header"],
    }


def _host_and_path(request: func.HttpRequest) -> tuple[str, str]:
    """Host, with the port, and path of the called address; "" if that is no address."""
    try:
        parts = urlsplit(request.url)
    except ValueError:
        return "", ""
    return parts.netloc, parts.path
