"""The managed-identity endpoint of a functions app (App Service, api-version 2019-08-01)."""

from __future__ import annotations

import hmac
import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .applications import API_IDENTITY, TOKEN_EXCHANGE_URI, VAULT_URI
from .entra.service import Entra
from .requests_io import json_reply, note

API_VERSION = "2019-08-01"
RESOURCES = (VAULT_URI, TOKEN_EXCHANGE_URI)


class IdentityEndpoint:
    """Hands out tokens of the API's identity to whoever knows `header`, which only the API's process does."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra
        self.header = secrets.token_hex(16).upper()
        self.lifetime = 86_400.0
        """Lifetime of the tokens, in seconds; Azure's live for a day."""

    def build_app(self) -> Starlette:
        """The ASGI application behind IDENTITY_ENDPOINT."""
        return Starlette(routes=[Route("/msi/token", self._token)])

    async def _token(self, request: Request) -> Response:
        written = note(request)
        written.action, written.caller = "token", "?"
        if not hmac.compare_digest(request.headers.get("x-identity-header", "").encode(), self.header.encode()):
            return self._refuse(request, 401, "the X-IDENTITY-HEADER is missing or wrong")
        written.caller = "api"
        if request.query_params.get("api-version") != API_VERSION:
            return self._refuse(request, 400, f"the api-version is not {API_VERSION}")
        resource = request.query_params.get("resource", "").removesuffix("/")
        if resource not in RESOURCES:
            return self._refuse(request, 400, "the resource is missing or unknown to the tenant")
        if request.query_params.get("client_id", "").lower() != API_IDENTITY.client_id:
            return self._refuse(request, 400, "no identity with this client_id is assigned to the app")
        written.verdict = f"ok: identity token for {resource}"
        written.details["resource"] = resource
        return json_reply(
            {
                "access_token": self._entra.identity_token(resource, self.lifetime),
                "expires_on": str(int(self._entra.now() + self.lifetime)),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": API_IDENTITY.client_id,
            }
        )

    def _refuse(self, request: Request, status: int, reason: str) -> Response:
        note(request).verdict = f"refused: {reason}"
        return json_reply({"statusCode": status, "message": f"Managed identity: {reason}."}, status)
