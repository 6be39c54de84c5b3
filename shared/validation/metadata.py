"""What Entra publishes about one authority: its discovery document and the keys that it signs with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, within
from ..settings import Authority

if TYPE_CHECKING:
    from .jws import SigningKey

DOCUMENT_SECONDS = 5.0  # for each of the two
ATTEMPTS = 2


class UnknownTenantError(ValueError):
    """Entra has no such tenant (AADSTS90002)."""


class ForeignIssuerError(ValueError):
    """The discovery document says that it is another authority's."""


class ForeignKeySetError(ValueError):
    """The discovery document's `jwks_uri` is not on the authority's own host."""


class ForeignTokenEndpointError(ValueError):
    """The discovery document's `token_endpoint` is not on the authority's own host."""


class EntraBusyError(ValueError):
    """Entra asks for a pause of so many seconds."""

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
            TransportError, ValueError: they are not to be had.
        """
        from .jws import parse_key_set  # here: PyJWT and cryptography, not needed before the first token

        discovery = self._fetch_discovery()
        address, cloud = self._authority.own_address(discovery.get("jwks_uri")), discovery.get("cloud_instance_name")
        if not address:
            raise ForeignKeySetError
        return parse_key_set(_json_object(self._get(address)), cloud)

    def fetched_document(self, address: str) -> Response | None:
        """The discovery document as it was last fetched with the keys, if this is its address."""
        return self._discovery if address == self._authority.discovery_url else None

    def _fetch_discovery(self) -> dict[str, Any]:
        """The discovery document, if it is this authority's own (OpenID Connect Discovery 1.0 §4.3)."""
        response = self._get(self._authority.discovery_url)
        if response.status_code == 400 and _says_unknown_tenant(response):
            raise UnknownTenantError
        document = _json_object(response)
        if document.get("issuer") != self._authority.issuer:
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
            except TransportError as error:  # the pooled connection may have been closed while idle
                raise AttemptFailedError(error, may_repeat=error.may_repeat) from None

        with within(DOCUMENT_SECONDS, self._now):
            response = self._retries.run(attempt)
        if response.status_code in (429, 503):
            raise EntraBusyError(response.retry_after(self._now()) or 0)
        return response


def _says_unknown_tenant(response: Response) -> bool:
    """AADSTS90002, and no other 400: a proxy may have its own."""
    body = response.json()
    return isinstance(body, dict) and body.get("error") == "invalid_tenant"


def _json_object(response: Response) -> dict[str, Any]:
    document = response.json() if response.status_code == 200 else None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document
