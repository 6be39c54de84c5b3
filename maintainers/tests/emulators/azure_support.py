"""A stack with the three Azure services, and how a test speaks to each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from emulators.azure.declared import AzureService
from emulators.stack import Stack
from emulators.table import Table

from .support import Http

TABLE = Table(
    azure=(
        AzureService(
            "Storage", "storage", {"Storage Blob Data Contributor": ("alice",), "Storage Blob Data Reader": ("olga",)}
        ),
        AzureService(
            "Search", "search", {"Search Index Data Contributor": ("alice",), "Search Index Data Reader": ("olga",)}
        ),
        AzureService(
            "Secrets",
            "vault",
            {
                "Key Vault Secrets Officer": ("alice",),
                "Key Vault Secrets User": ("olga",),
                "Key Vault Reader": ("greta",),
            },
        ),
    )
)
ACCOUNT = "https://storagelocal.blob.core.windows.net"
SEARCH = "https://search-local.search.windows.net"
VAULT = "https://secrets-local.vault.azure.net"


@dataclass(frozen=True)
class Kind:
    """One service: a request that reads, one that writes, and how its resource is called."""

    key: str
    app: str
    resource: str
    read: Callable[[Http, str | None], requests.Response]
    write: Callable[[Http, str | None], requests.Response]
    denied: str
    """The code of its error for a user without a role."""


def blob_headers(token: str | None, **more: str) -> dict[str, str]:
    """The headers of azure-storage-blob."""
    bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return {"x-ms-version": "2026-10-06", "Accept": "application/xml", **bearer, **more}


def blob(
    http: Http, method: str, path: str, token: str | None, body: bytes | None = None, **headers: str
) -> requests.Response:
    """One request to the account. Underscores in the names of headers become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.session.request(method, ACCOUNT + path, data=body, headers=blob_headers(token, **named), timeout=10)


def put_blob(http: Http, path: str, token: str | None, body: bytes, **headers: str) -> requests.Response:
    """Put Blob, as the client sends it."""
    return blob(http, "PUT", path, token, body, x_ms_blob_type="BlockBlob", Content_Type="text/plain", **headers)


def search(http: Http, method: str, path: str, token: str | None, body: object = None) -> requests.Response:
    """One request about the index `docs`."""
    bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
    url = f"{SEARCH}/indexes('docs')/docs{path}"
    return http.session.request(
        method, url, params={"api-version": "2026-04-01"}, json=body, headers=bearer, timeout=10
    )


def secret(http: Http, method: str, path: str, token: str | None, body: object = None) -> requests.Response:
    """One request about secrets."""
    bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
    url = f"{VAULT}/secrets{path}"
    return http.session.request(method, url, params={"api-version": "7.6"}, json=body, headers=bearer, timeout=10)


KINDS = (
    Kind(
        "storage",
        "azure-storage",
        "https://storage.azure.com",
        lambda http, token: blob(http, "GET", "/notes/hello.txt", token),
        lambda http, token: put_blob(http, "/notes/written.txt", token, b"1"),
        "AuthorizationPermissionMismatch",
    ),
    Kind(
        "search",
        "azure-search",
        "https://search.azure.com",
        lambda http, token: search(http, "POST", "/search.post.search", token, {"search": "*"}),
        lambda http, token: search(http, "POST", "/search.index", token, {"value": [{"id": "7"}]}),
        "Forbidden",
    ),
    Kind(
        "secrets",
        "azure-vault",
        "https://vault.azure.net",
        lambda http, token: secret(http, "GET", "/greeting/", token),
        lambda http, token: secret(http, "PUT", "/mine", token, {"value": "1"}),
        "Forbidden",
    ),
)


def code_of(reply: requests.Response) -> str:
    """The code of an error reply, XML or JSON."""
    if "x-ms-error-code" in reply.headers:
        return reply.headers["x-ms-error-code"]
    code: str = reply.json()["error"]["code"]
    return code


def token_of(stack: Stack, kind: Kind, person: str = "alice", **changes: Any) -> str:
    """A genuine delegated token for the service."""
    return stack.issue_access_token(person, app=kind.app, **changes)
