"""A key vault whose secrets users read themselves. It is another one than the vault with the API's certificate.

A role on a vault is a right to all its secrets. So a user must hold none on the vault that holds the API's key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..entra.service import HOST as ENTRA_HOST
from ..entra.service import Entra
from ..people import CONTOSO, Person
from ..requests_io import json_object, json_reply, note
from ..vault_attributes import attributes_of, page_of
from ..vault_contents import SecretVersion, VaultContents, VaultError
from .access import Access, RoleMissingError, TokenRefusedError
from .declared import LIST, READ, WRITE, AzureService

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_ACTIONS = {LIST: "secrets/readMetadata/action", READ: "secrets/getSecret/action", WRITE: "secrets/setSecret/action"}


class Secrets(VaultContents):
    """The vault: its secrets, and its HTTP interface."""

    def __init__(self, entra: Entra, service: AzureService) -> None:
        super().__init__(entra.now)
        self.service, self.access = service, Access(entra, service)
        self.reset()

    def reset(self) -> None:
        """Makes it what it is at the start: one secret, and the roles of the table."""
        self.access.reset()
        self.clear()
        self.put("greeting", "Hello from the local stack")

    def build_app(self) -> Starlette:
        """The ASGI application of the vault's host name."""
        read, one = self._guarded("secret", READ, self._secret), "/secrets/{name}"
        return Starlette(
            routes=[
                Route("/secrets", self._guarded("secrets", LIST, self._list)),
                Route("/secrets/", self._guarded("secrets", LIST, self._list)),
                Route(f"{one}/versions", self._guarded("versions", LIST, self._versions)),
                Route(one + "/{version}", read, methods=["GET"]),
                Route(f"{one}/", read, methods=["GET"]),
                Route(one, read, methods=["GET"]),
                Route(one, self._guarded("set secret", WRITE, self._set), methods=["PUT"]),
            ]
        )

    def _guarded(
        self, action: str, right: str, handler: Callable[[Request], Awaitable[object]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            note(request).action = action
            try:
                person = self._authorize(request, right)
                if not request.query_params.get("api-version"):
                    raise VaultError(400, "BadParameter", "AKV10000: The api-version query parameter is missing.")
                body = await handler(request)
            except TokenRefusedError as bad:
                return self._unauthorized(request, bad)
            except VaultError as refusal:
                note(request).verdict = f"{refusal.code}: {refusal}"
                return _refused(refusal)
            note(request).verdict = f"ok: {action} as {person.name}"
            return json_reply(body)

        return handle

    def _authorize(self, request: Request, right: str) -> Person:
        try:
            return self.access.caller(request, right)
        except RoleMissingError as lacking:
            note(request).details["needs"] = " or ".join(lacking.needs)
            message = f"Caller is not authorized to perform action on resource. Action: {_ACTIONS[right]}."
            raise VaultError(403, "Forbidden", message, "ForbiddenByRbac") from None

    def _unauthorized(self, request: Request, bad: TokenRefusedError) -> Response:
        note(request).verdict = "challenge: no token yet" if bad.missing else f"Unauthorized: {bad}"
        asked = f'authorization="https://{ENTRA_HOST}/{CONTOSO}", resource="{self.access.kind.resource}"'
        if bad.claims is not None:
            encoded = base64.b64encode(json.dumps(bad.claims).encode()).decode()
            asked = f'{asked}, error="insufficient_claims", claims="{encoded}"'
        message = "AKV10000: Request is missing a Bearer or PoP token." if bad.missing else f"AKV10032: {bad}"
        reply = _refused(VaultError(401, "Unauthorized", message))
        reply.headers["WWW-Authenticate"] = f"Bearer {asked}"
        return reply

    async def _secret(self, request: Request) -> object:
        name = request.path_params["name"]
        found = self.find(name, request.path_params.get("version"))
        return {"value": found.value, **self._properties(name, found)}

    async def _list(self, request: Request) -> object:
        found = [self._properties(name, self.versions(name)[-1], in_list=True) for name in self.names()]
        return page_of(request, found, self.service.host)

    async def _versions(self, request: Request) -> object:
        name = request.path_params["name"]
        versions = sorted(self.versions(name), key=lambda version: version.version)
        if not versions:
            raise VaultError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        return page_of(request, [self._properties(name, version) for version in versions], self.service.host)

    async def _set(self, request: Request) -> object:
        name = request.path_params["name"]
        try:
            given = json_object(await request.body())
        except ValueError as problem:
            raise VaultError(400, "BadParameter", f"The request body is invalid: {problem}") from None
        value, content_type = given.get("value"), given.get("contentType")
        if not _NAME.fullmatch(name) or not isinstance(value, str) or not isinstance(content_type, (str, type(None))):
            raise VaultError(400, "BadParameter", "The name or the value of the secret is invalid.")
        version = self.put(name, value, content_type)
        return {"value": value, **self._properties(name, self.find(name, version))}

    def _properties(self, name: str, version: SecretVersion, *, in_list: bool = False) -> dict[str, object]:
        path = name if in_list else f"{name}/{version.version}"
        body: dict[str, object] = {
            "id": f"{self.service.base_url}/secrets/{path}",
            "attributes": attributes_of(version),
        }
        return {**body, **({"contentType": version.content_type} if version.content_type else {})}


def _refused(refusal: VaultError) -> Response:
    error: dict[str, object] = {"code": refusal.code, "message": str(refusal)}
    if refusal.inner:
        error["innererror"] = {"code": refusal.inner}
    return json_reply({"error": error}, refusal.status)
