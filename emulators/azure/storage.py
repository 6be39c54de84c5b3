"""Blob storage: containers and block blobs, behind a delegated token and a role of the user.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from email.utils import formatdate

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..entra.service import HOST as ENTRA_HOST
from ..entra.service import Entra
from ..people import CONTOSO
from ..requests_io import bearer, note
from .access import Access, RoleMissingError, TokenRefusedError
from .declared import LIST, READ, WRITE, AzureService
from .storage_contents import Blob, Container, StorageContents, StorageError
from .storage_wire import Page, blob_list, check_conditions, container_list, error_xml, ranged

_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
OLDEST = "2017-11-09"
"""The first version of the service that knows bearer tokens."""
_CALLS = {
    ("", "list"): {"GET": ("list containers", LIST)},
    ("container", "list"): {"GET": ("list blobs", LIST)},
    ("container", ""): {
        "GET": ("container", LIST),
        "HEAD": ("container", LIST),
        "PUT": ("create container", WRITE),
        "DELETE": ("delete container", WRITE),
    },
    ("blob", ""): {
        "GET": ("get blob", READ),
        "HEAD": ("blob properties", READ),
        "PUT": ("put blob", WRITE),
        "DELETE": ("delete blob", WRITE),
    },
}
"""By `restype` ("blob" for a path below a container) and `comp`: what is done, and which right it needs."""


class Storage(StorageContents):
    """The blob service of one account: its contents and its HTTP interface."""

    def __init__(self, entra: Entra, service: AzureService) -> None:
        super().__init__(entra.now)
        self.service, self.access = service, Access(entra, service)
        self._endpoint = f"{service.base_url}/"
        self.reset()

    def reset(self) -> None:
        """Makes it what it is at the start: one container with one blob, and the roles of the table."""
        self.access.reset()
        self.clear()
        self.create("notes")
        self.put("notes", "hello.txt", b"Hello from the local stack.\n", "text/plain")

    def build_app(self) -> Starlette:
        """The ASGI application of the account's host name."""
        methods = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"]
        return Starlette(
            routes=[Route("/{path:path}", self._handle, methods=methods)],
            exception_handlers={HTTPException: self._no_such_method},
        )

    async def _handle(self, request: Request) -> Response:
        try:
            return await self._respond(request)
        except StorageError as refusal:
            note(request).verdict = f"{refusal.code}: {refusal.detail or refusal}"
            return self._refuse(request, refusal)

    async def _no_such_method(self, request: Request, _problem: Exception) -> Response:
        return self._refuse(request, _unknown_method())

    async def _respond(self, request: Request) -> Response:
        container, _, blob = request.path_params["path"].partition("/")
        action, right = _call(request, "blob" if blob else request.query_params.get("restype", ""))
        note(request).action = action
        self._authorize(request, action, right)
        if not container:
            page, all_of_them = Page.of(request), self.containers()
            stamps = {name: formatdate(one.changed, usegmt=True) for name, one in all_of_them.items()}
            return self._xml(request, container_list(self._endpoint, page, all_of_them, stamps))
        if not blob:
            return self._use_container(request, container)
        content = await request.body()
        return self._use_blob(request, container, blob, content)

    def _authorize(self, request: Request, action: str, right: str) -> None:
        version = request.headers.get("x-ms-version", "")
        if version and not _VERSION.fullmatch(version):
            raise StorageError(
                400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
            )
        if bearer(request) is not None and version < OLDEST:
            refusal = _not_authenticated("AuthenticationFailed", 403)
            refusal.detail = "Authentication scheme Bearer is not supported in this version."
            raise refusal
        try:
            person = self.access.caller(request, right)
        except TokenRefusedError as bad:
            raise self._unauthorized(bad) from None
        except RoleMissingError as lacking:
            note(request).details["needs"] = " or ".join(lacking.needs)
            message = "This request is not authorized to perform this operation using this permission."
            refusal = StorageError(403, "AuthorizationPermissionMismatch", message)
            raise refusal from None
        note(request).verdict = f"ok: {action} as {person.name}"

    def _unauthorized(self, bad: TokenRefusedError) -> StorageError:
        refusal = _not_authenticated("NoAuthenticationInformation" if bad.missing else "InvalidAuthenticationInfo", 401)
        where = f"https://{ENTRA_HOST}/{CONTOSO}/oauth2/authorize"
        asked = f"Bearer authorization_uri={where} resource_id={self.access.kind.resource}"
        if bad.claims is not None:
            encoded = base64.b64encode(json.dumps(bad.claims).encode()).decode()
            asked = f'Bearer authorization_uri="{where}", error="insufficient_claims", claims="{encoded}"'
        refusal.headers["WWW-Authenticate"] = asked
        refusal.detail = "" if bad.missing else str(bad)
        return refusal

    def _use_container(self, request: Request, name: str) -> Response:
        if request.query_params.get("comp") == "list":
            return self._xml(request, blob_list(self._endpoint, name, Page.of(request), self.blobs(name)))
        if request.method == "DELETE":
            self.remove(name)
            return self._reply(request, 202)
        if request.method == "PUT":
            return self._reply(request, 201, headers=_container_headers(self.create(name)))
        return self._reply(request, 200, headers=_container_headers(self.container(name)))

    def _use_blob(self, request: Request, container: str, name: str, content: bytes) -> Response:
        if request.method == "PUT":
            return self._put(request, container, name, content)
        if request.method == "DELETE":
            self.delete(container, name, lambda blob: check_conditions(request, blob))
            return self._reply(request, 202, headers={"x-ms-delete-type-permanent": "true"})
        blob = self.get(container, name)
        check_conditions(request, blob)
        status, part, headers = (200, blob.content, {}) if request.method == "HEAD" else ranged(request, blob)
        return self._reply(request, status, part, {**_blob_headers(blob), **headers})

    def _put(self, request: Request, container: str, name: str, content: bytes) -> Response:
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            message = "An HTTP header that's mandatory for this request is not specified."
            raise StorageError(400, "MissingRequiredHeader", message)
        given = request.headers.get("x-ms-blob-content-type") or request.headers.get("content-type")
        metadata = {
            field.removeprefix("x-ms-meta-"): value
            for field, value in request.headers.items()
            if field.startswith("x-ms-meta-")
        }
        blob = self.put(
            container,
            name,
            content,
            given or "application/octet-stream",
            metadata,
            lambda present: check_conditions(request, present),
        )
        headers = {"ETag": blob.etag, "Last-Modified": blob.last_modified, "Content-MD5": blob.md5}
        return self._reply(request, 201, headers={**headers, "x-ms-request-server-encrypted": "true"})

    def _xml(self, request: Request, body: bytes) -> Response:
        return self._reply(request, 200, body, {"Content-Type": "application/xml"})

    def _refuse(self, request: Request, refusal: StorageError) -> Response:
        identifier = str(uuid.uuid4())
        when = formatdate(self._now(), usegmt=True)
        message = f"{refusal}\nRequestId:{identifier}\nTime:{when}"
        body = error_xml(refusal.code, message, refusal.detail)
        headers = {"x-ms-error-code": refusal.code, "Content-Type": "application/xml", **refusal.headers}
        if request.method == "HEAD" or refusal.status == 304:
            body = b""
        return self._reply(request, refusal.status, body, headers, identifier)

    def _reply(
        self,
        request: Request,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        identifier: str | None = None,
    ) -> Response:
        usual = {
            "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
            "x-ms-request-id": identifier or str(uuid.uuid4()),
            "x-ms-version": request.headers.get("x-ms-version", OLDEST),
        }
        if "x-ms-client-request-id" in request.headers:
            usual["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
        return Response(body, status, {**usual, **(headers or {})})


def _call(request: Request, restype: str) -> tuple[str, str]:
    calls = _CALLS.get((restype, request.query_params.get("comp", "")))
    if calls is None:
        message = "Value for one of the query parameters specified in the request URI is invalid."
        raise StorageError(400, "InvalidQueryParameterValue", message)
    if request.method not in calls:
        raise _unknown_method()
    return calls[request.method]


def _unknown_method() -> StorageError:
    return StorageError(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")


def _not_authenticated(code: str, status: int) -> StorageError:
    where = (
        "Please refer to the information in the www-authenticate header."
        if status == 401
        else "Make sure the value of Authorization header is formed correctly including the signature."
    )
    return StorageError(status, code, f"Server failed to authenticate the request. {where}")


def _container_headers(container: Container) -> dict[str, str]:
    return {"ETag": container.etag, "Last-Modified": formatdate(container.changed, usegmt=True)}


def _blob_headers(blob: Blob) -> dict[str, str]:
    return {
        "Content-Type": blob.content_type,
        "ETag": blob.etag,
        "Last-Modified": blob.last_modified,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": blob.last_modified,
        "x-ms-server-encrypted": "true",
        **{f"x-ms-meta-{field}": value for field, value in blob.metadata.items()},
    }
