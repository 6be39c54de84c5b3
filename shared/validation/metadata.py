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


class MetadataError(ValueError):
    """No keys come from a document. `words` says why, and which setting to look at. Nothing that was read is quoted."""

    words = "what responds at AzureAd__Instance is not Entra, or a proxy responds in its place"

    def __str__(self) -> str:
        return self.words


class NotEntraError(MetadataError):
    """The response has another status than 200, or is not a JSON object."""

    def __init__(self, status: int) -> None:
        super().__init__()
        told = f"HTTP {status}{' without a JSON object' if status == 200 else ''}"
        why = "Entra, or a proxy in its place, fails" if status >= 500 else type(self).words
        self.words = f"{told}: {why}"


class UnknownTenantError(MetadataError):
    """Entra has no such tenant (AADSTS90002)."""

    words = "Entra knows no tenant with the id in AzureAd__TenantId; perhaps AzureAd__Instance is of another cloud"


class ForeignIssuerError(MetadataError):
    """The discovery document names another issuer."""

    words = "the issuer is another than that of AzureAd__Instance and AzureAd__TenantId"


class ForeignKeySetError(MetadataError):
    """The discovery document's `jwks_uri` is not on the authority's own host."""

    words = "the signing keys are at another host than AzureAd__Instance"


class ForeignTokenEndpointError(MetadataError):
    """The discovery document's `token_endpoint` is not on the authority's own host."""

    words = "the token endpoint is at another host than AzureAd__Instance"


class EntraBusyError(MetadataError):
    """Entra asks for a pause of `seconds`, or 0 if Entra names no length."""

    words = "Entra is busy (HTTP 429 or 503)"

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
        discovery = self._fetch_discovery()
        address, cloud = self._authority.own_address(discovery.get("jwks_uri")), discovery.get("cloud_instance_name")
        if not address:
            raise ForeignKeySetError
        published_by = self._authority.discovered_issuer(discovery["issuer"])
        key_set = _json_object(self._get(address))
        from .jws import parse_key_set  # not before: the requests are on their way while libraries are imported

        return parse_key_set(key_set, cloud, published_by)

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
    try:
        body = response.json()
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("error") == "invalid_tenant"


def _json_object(response: Response) -> dict[str, Any]:
    try:
        document = response.json() if response.status_code == 200 else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotEntraError(response.status_code)
    return document


def why_no_keys(error: Exception) -> str:
    """For the log: why the keys could not be fetched, and which setting to look at. Nothing that was read is quoted."""
    if isinstance(error, MetadataError):
        return f"{type(error).__name__}: {error.words}"
    if isinstance(error, TransportError):
        from ..net.failure_words import UNKNOWN_NAME

        hint = "; is AzureAd__Instance spelled right?" if UNKNOWN_NAME in str(error) else ""
        return f"{type(error).__name__}: {error}{hint}"
    return f"{type(error).__name__}: {MetadataError.words}"
