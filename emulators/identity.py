"""The managed-identity endpoint (App Service, api-version 2019-08-01) of the API and of the certificate script."""

from __future__ import annotations

import hmac
import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .applications import (
    API_IDENTITY,
    CERTIFICATE_IDENTITY,
    MANAGEMENT_URIS,
    REDIS_URI,
    SYSTEM_IDENTITY,
    TOKEN_EXCHANGE_URI,
    VAULT_URI,
    ManagedIdentity,
)
from .entra.service import Entra
from .entra.verification import peek
from .requests_io import json_reply, note

API_VERSION = "2019-08-01"
RESOURCES = {"api": (VAULT_URI, TOKEN_EXCHANGE_URI, REDIS_URI), "script": (VAULT_URI, *MANAGEMENT_URIS)}
IDENTITIES = {"api": API_IDENTITY, "script": CERTIFICATE_IDENTITY}


class IdentityEndpoint:
    """Issues tokens of a process's identity. A request needs the secret header that only this process knows."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra
        self.header = secrets.token_hex(16).upper()
        """IDENTITY_HEADER of the API."""
        self.script_header = secrets.token_hex(16).upper()
        """IDENTITY_HEADER of the certificate script."""
        self.system_assigned = False
        """Whether the API has a system-assigned identity as well. A request for it names no client_id."""
        self.lifetime = 86_400.0
        """Lifetime of the tokens, in seconds; Azure's live for a day."""

    def build_app(self) -> Starlette:
        """The ASGI application behind IDENTITY_ENDPOINT."""
        return Starlette(routes=[Route("/msi/token", self._token)])

    async def _token(self, request: Request) -> Response:
        written = note(request)
        written.action, written.caller = "token", "?"
        caller = self._caller(request)
        if caller is None:
            return self._refuse(request, 401, "the X-IDENTITY-HEADER is missing or wrong")
        written.caller, identity = caller, self._identity(caller, request.query_params.get("client_id"))
        if request.query_params.get("api-version") != API_VERSION:
            return self._refuse(request, 400, f"the api-version is not {API_VERSION}")
        resource = request.query_params.get("resource", "").removesuffix("/")
        if resource not in RESOURCES[caller]:
            return self._refuse(request, 400, "the resource is missing or unknown to the tenant")
        if identity is None:
            return self._refuse(request, 400, "no identity with this client_id is assigned to the app")
        written.verdict = f"ok: identity token for {resource}"
        written.details["resource"] = resource
        token = self._entra.identity_token(resource, self.lifetime, identity)
        return json_reply(
            {
                "access_token": token,
                "expires_on": str(peek(token)["exp"]),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": identity.client_id,
            }
        )

    def _identity(self, caller: str, client_id: str | None) -> ManagedIdentity | None:
        if client_id is None:
            return SYSTEM_IDENTITY if self.system_assigned and caller == "api" else None
        return IDENTITIES[caller] if client_id.lower() == IDENTITIES[caller].client_id else None

    def _caller(self, request: Request) -> str | None:
        given = request.headers.get("x-identity-header", "").encode()
        headers = {"api": self.header, "script": self.script_header}
        return next((name for name, header in headers.items() if hmac.compare_digest(given, header.encode())), None)

    def _refuse(self, request: Request, status: int, reason: str) -> Response:
        note(request).verdict = f"refused: {reason}"
        return json_reply({"statusCode": status, "message": f"Managed identity: {reason}."}, status)
