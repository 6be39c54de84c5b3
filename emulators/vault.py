"""Key Vault: secrets, certificates and keys with versions, behind a token of an identity that has a right to them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .applications import API_IDENTITY, CERTIFICATE_IDENTITY, VAULT_ID, VAULT_URI
from .entra.service import HOST, Entra
from .entra.verification import TokenError, verify_token
from .people import CONTOSO, PEOPLE
from .requests_io import bearer, json_reply, note
from .vault_attributes import VAULT_HOST, attributes_of, page_of
from .vault_certificates import VaultCertificates
from .vault_contents import SecretVersion, VaultContents, VaultError
from .vault_keys import VaultKeys

__all__ = ["VAULT_HOST", "Vault"]


class Vault(VaultContents):
    """The vault's contents and its HTTP interface."""

    def __init__(self, entra: Entra) -> None:
        super().__init__(entra.now)
        self._entra = entra
        self.readers = {API_IDENTITY.principal_id}
        """Object ids of the principals with the role Key Vault Secrets User."""
        self.officers = {CERTIFICATE_IDENTITY.principal_id}
        """Object ids of the principals with the role Key Vault Certificates Officer."""
        self.certificate_users = {API_IDENTITY.principal_id}
        """Object ids of the principals with the role Key Vault Certificate User, which the template does without.

        It is for other clients: the vault source of Microsoft.Identity.Web reads the certificate before the secret.
        """
        self.crypto_users = {API_IDENTITY.principal_id}
        """Object ids of the principals with the role Key Vault Crypto User."""
        self.metadata_readers = {API_IDENTITY.principal_id, PEOPLE["alice"].oid}
        """Object ids of the principals with the role Key Vault Reader: everything but the contents of secrets."""
        self.certificate_service = VaultCertificates(self, self._authorize_for_certificates, self._refuse, entra.now)
        """The part of the interface below /certificates."""
        self.key_service = VaultKeys(self, self._authorize_for_keys, self._refuse, entra.now)
        """The part of the interface below /keys."""

    def build_app(self) -> Starlette:
        """The ASGI application of the vault's host name."""
        return Starlette(
            routes=[
                Route("/secrets/{name}/versions", self._versions),
                Route("/secrets/{name}/{version}", self._secret),
                Route("/secrets/{name}/", self._secret),
                Route("/secrets/{name}", self._secret),
                *self.certificate_service.routes(),
                *self.key_service.routes(),
            ]
        )

    async def _secret(self, request: Request) -> Response:
        note(request).action = "secret"
        name, version = request.path_params["name"], request.path_params.get("version")
        try:
            self._authorize(request, self.readers, "secrets/getSecret/action")
            found = self.find(name, version)
        except VaultError as refusal:
            return self._refuse(request, refusal)
        note(request).verdict = f"ok: secret {name}"
        note(request).details.update(secret=name, version=found.version)
        return json_reply({"value": found.value, **_properties(name, found)})

    async def _versions(self, request: Request) -> Response:
        note(request).action = "versions"
        name = request.path_params["name"]
        try:
            self._authorize(request, self.readers | self.metadata_readers, "secrets/readMetadata/action")
            versions = self.versions(name)
            if not versions:
                raise VaultError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found.")
            versions.sort(key=lambda version: version.version)  # in no useful order
            page = page_of(request, [_properties(name, version) for version in versions])
        except VaultError as refusal:
            return self._refuse(request, refusal)
        note(request).verdict = f"ok: versions of {name}"
        return json_reply(page)

    def _authorize_for_certificates(self, request: Request, action: str) -> None:
        readers = self.certificate_users | self.metadata_readers if action == "certificates/read" else set()
        self._authorize(request, self.officers | readers, action)

    def _authorize_for_keys(self, request: Request, action: str) -> None:
        readers = self.certificate_users | self.metadata_readers if action == "keys/read" else set()
        self._authorize(request, self.crypto_users | readers, action)

    def _authorize(self, request: Request, allowed: set[str], action: str) -> None:
        token = bearer(request)
        if token is None:
            raise VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        try:
            claims = verify_token(token, self._entra.keys, CONTOSO, self._entra.now())
        except TokenError as bad:
            raise VaultError(401, "Unauthorized", f"AKV10032: Error validating token: {bad}") from None
        if str(claims.get("aud", "")).rstrip("/") not in (VAULT_URI, VAULT_ID):
            raise VaultError(401, "Unauthorized", "AKV10022: Invalid audience. Expected https://vault.azure.net.")
        if claims.get("oid") not in allowed:
            message = f"Caller is not authorized to perform action on resource. Action: {action}."
            raise VaultError(403, "Forbidden", message, "ForbiddenByRbac")
        if not request.query_params.get("api-version"):
            raise VaultError(400, "BadParameter", "AKV10000: The api-version query parameter is missing.")

    def _refuse(self, request: Request, refusal: VaultError) -> Response:
        missing = refusal.status == 401 and bearer(request) is None
        note(request).verdict = "challenge: no token yet" if missing else f"{refusal.code}: {refusal}"
        error: dict[str, object] = {"code": refusal.code, "message": str(refusal)}
        if refusal.inner:
            error["innererror"] = {"code": refusal.inner}
        where = f'Bearer authorization="https://{HOST}/{CONTOSO}", resource="{VAULT_URI}"'
        headers = {"WWW-Authenticate": where} if refusal.status == 401 else {}
        return json_reply({"error": error}, refusal.status, headers)


def _properties(name: str, version: SecretVersion) -> dict[str, object]:
    attributes = attributes_of(version)
    body: dict[str, object] = {"id": f"https://{VAULT_HOST}/secrets/{name}/{version.version}", "attributes": attributes}
    if version.content_type is not None:
        body["contentType"] = version.content_type
    if version.tags:
        body["tags"] = dict(version.tags)
    if version.certificate is not None:
        body.update(kid=f"https://{VAULT_HOST}/keys/{name}/{version.version}", managed=True)
    return body
