"""Fetches what Entra publishes about one authority: its discovery document and its signing keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, within
from ..settings import Authority

if TYPE_CHECKING:
    from .jws import SigningKey

DOCUMENT_SECONDS = 5.0  # per document, retries included
ATTEMPTS = 2


class UnknownTenantError(ValueError):
    """Entra has no such tenant (AADSTS90002)."""


class ForeignIssuerError(ValueError):
    """The discovery document names another issuer."""


class ForeignKeySetError(ValueError):
    """The discovery document's `jwks_uri` is not on the authority's own host."""


class ForeignTokenEndpointError(ValueError):
    """The discovery document's `token_endpoint` is not on the authority's own host."""


class EntraBusyError(ValueError):
    """Entra asks for a pause. `seconds`: its length, 0 if Entra names none."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class Metadata:
    """The documents of one authority. Thread-safe."""

    def __init__(
        self,
        authority: Authority,
        transport: Transport,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._authority, self._transport, self._now = authority, transport, now
        self._discovery: Response | None = None
        self._retries = Retries(ATTEMPTS, sleep, first_pause=0.0)

    def fetch_keys(self) -> dict[str, SigningKey]:
        """The keys that Entra publishes now, by key id.

        Raises:
            TransportError: Entra did not respond.
            ValueError: a document is not valid, or is not of this authority.
        """
        from .jws import parse_key_set

        discovery = self._fetch_discovery()
        address, cloud = self._authority.own_address(discovery.get("jwks_uri")), discovery.get("cloud_instance_name")
        if not address:
            raise ForeignKeySetError
        published_by = self._authority.discovered_issuer(discovery["issuer"])
        return parse_key_set(_json_object(self._get(address)), cloud, published_by)

    def fetched_document(self, address: str) -> Response | None:
        """The discovery document that was last fetched with the keys, if this is its address. Otherwise None."""
        return self._discovery if address == self._authority.discovery_url else None

    def _fetch_discovery(self) -> dict[str, Any]:
        """The discovery document. Its issuer must be this authority's (OpenID Connect Discovery 1.0 §4.3)."""
        response = self._get(self._authority.discovery_url)
        if response.status_code == 400 and _says_unknown_tenant(response):
            raise UnknownTenantError
        document = _json_object(response)
        issuer = document.get("issuer")
        if issuer != self._authority.issuer and not self._authority.discovered_issuer(issuer):
            raise ForeignIssuerError
        token_endpoint = document.get("token_endpoint", self._authority.url)
        if not self._authority.own_address(token_endpoint):
            raise ForeignTokenEndpointError
        self._discovery = response
        return document

    def _get(self, address: str) -> Response:
        def attempt() -> Response:
            try:
                return self._transport.send("GET", address)
            except TransportError as error:  # a pooled connection may have been closed while idle
                raise AttemptFailedError(error, may_repeat=error.may_repeat) from None

        with within(DOCUMENT_SECONDS, self._now):
            response = self._retries.run(attempt)
        if response.status_code in (429, 503):
            raise EntraBusyError(response.retry_after(self._now()) or 0)
        return response


def _says_unknown_tenant(response: Response) -> bool:
    """Whether a 400 is AADSTS90002. A proxy may send other errors with status 400."""
    body = response.json()
    return isinstance(body, dict) and body.get("error") == "invalid_tenant"


def _json_object(response: Response) -> dict[str, Any]:
    document = response.json() if response.status_code == 200 else None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document
