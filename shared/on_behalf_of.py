"""The exchange: the caller's access token (the assertion) → an access token for a downstream API, as the same user.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .client_credential import ClientCredential, load_client_credential
from .entra_errors import RETRY_AFTER_SECONDS, describe, error_from_entra, refuses_our_credential
from .errors import ApiError, ServerMisconfigured, ServiceUnavailable
from .msal_http import DiscoveryCache, MsalHttpClient, no_token_cache
from .settings import CredentialSettings, Settings
from .single_flight import SingleFlight
from .transport import Transport

RENEW_BEFORE_SECONDS = 300.0  # at the latest after half a token's life
RELOAD_AFTER_SECONDS = 4 * 3600.0  # a certificate rotated in the vault is picked up without being refused first
RETURN_AFTER_SECONDS = 300.0  # from the certificate before the newest to the newest: Entra has heard of it by then
RELOAD_COOLDOWN_SECONDS = 30.0  # between two reloads, so that a credential that Entra refuses does not hammer the vault

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownstreamToken:
    """An access token for a downstream API; `expires_at` and `renew_at` in seconds since 1970."""

    token: str
    expires_at: float
    renew_at: float

    def __repr__(self) -> str:
        return f"DownstreamToken(***, expires_at={self.expires_at:.0f})"


@dataclass(frozen=True)
class _Client:
    """An MSAL application around one loaded credential."""

    msal: Any
    reload_at: float


class OnBehalfOf:
    """Exchanges tokens with one authority. Thread-safe; caches the credential and discovery, but never a token."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        now: Callable[[], float],
        load: Callable[..., ClientCredential] = load_client_credential,
    ) -> None:
        self._settings, self._now, self._load = settings, now, load
        self._http, self._discovery = MsalHttpClient(transport, now), DiscoveryCache()
        self._newest = settings.client_credentials
        self._previous = tuple(replace(s, versions_back=1) for s in self._newest if s.source_type == "KeyVault")
        self._client: _Client | None = None
        self._next_reload = self._next_return = float("-inf")
        self._loads: SingleFlight[str, _Client] = SingleFlight()

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, claims: str | None, correlation_id: str
    ) -> DownstreamToken:
        """One round trip to Entra, unless it does not know our credential: then once more with the newest there is, and
        once with the version before, because a vault has a new certificate minutes before Entra has heard of it.

        Args:
            assertion: the caller's validated access token.
            scopes: of one downstream API.
            claims: JSON text of a downstream API's claims challenge, if that is the reason for asking again.
            correlation_id: a GUID that Entra's logs will show.

        Raises:
            ApiError: what the caller must be told; see entra_errors.
        """
        client = self._ready_client()
        started = self._now()
        body = self._ask(client, assertion, scopes, claims, correlation_id)
        if refuses_our_credential(body):
            log.warning("client credential refused (%s); loading it anew", describe(body))
            refused = client
            client = self._loads.do("client credential", lambda: self._reload(refused))
            body = body if client is refused else self._ask(client, assertion, scopes, claims, correlation_id)
        if refuses_our_credential(body) and self._previous:
            newest = client
            client = self._loads.do("client credential", lambda: self._go_back(newest))
            body = body if client is newest else self._ask(client, assertion, scopes, claims, correlation_id)
        token, lifetime = body.get("access_token"), _positive(body.get("expires_in"))
        if isinstance(token, str) and token and lifetime:
            renew_after = max(lifetime / 2, lifetime - RENEW_BEFORE_SECONDS)
            return DownstreamToken(token, started + lifetime, started + renew_after)
        raise error_from_entra(body, scopes, self._settings)

    def _ask(
        self, client: _Client, assertion: str, scopes: Sequence[str], claims: str | None, correlation_id: str
    ) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = client.msal.acquire_token_on_behalf_of(
                assertion, list(scopes), claims_challenge=claims, correlation_id=correlation_id
            )
        except ApiError:
            raise
        except Exception as error:  # noqa: BLE001 — azure-identity inside MSAL, or MSAL over an odd answer: texts may quote it
            raise ServiceUnavailable(retry_after=RETRY_AFTER_SECONDS, reason=type(error).__name__) from None
        return answer

    def _ready_client(self) -> _Client:
        client = self._client
        if client is None:
            return self._loads.do("client credential", lambda: self._client or self._load_client(self._newest))
        if self._now() >= max(client.reload_at, self._next_reload):
            self._loads.start("client credential", lambda: self._reload(client))
        return client

    def _reload(self, stale: _Client) -> _Client:
        """A client newer than `stale`, or the one there is when somebody else has just made or tried it."""
        current = self._client
        if current is not None and (current is not stale or self._now() < self._next_reload):
            return current
        self._next_reload = self._now() + RELOAD_COOLDOWN_SECONDS
        return self._load_client(self._newest)

    def _go_back(self, refused: _Client) -> _Client:
        """A client with the certificate before the newest; the one there is, if that was just tried or is none."""
        current = self._client or refused
        if current is not refused or self._now() < self._next_return:
            return current
        self._next_return = self._now() + RELOAD_COOLDOWN_SECONDS
        try:
            client = self._load_client(self._previous, RETURN_AFTER_SECONDS)
        except ApiError:  # the loader has said why
            return refused
        log.warning("client credential: Entra does not know the newest certificate yet; using the one before")
        return client

    def _load_client(self, sources: Sequence[CredentialSettings], lasts: float = RELOAD_AFTER_SECONDS) -> _Client:
        credential = self._load(sources, self._now)
        client = _Client(self._build_msal(credential), self._now() + lasts)
        self._client = client
        return client

    def _build_msal(self, credential: ClientCredential) -> Any:
        from msal import ConfidentialClientApplication  # here: a quarter of a second that only the first exchange pays

        settings = self._settings
        try:
            return ConfidentialClientApplication(
                settings.client_id,
                client_credential=credential.for_msal(settings.client_id, f"{settings.authority}/oauth2/v2.0/token"),
                authority=settings.authority,
                http_client=self._http,
                http_cache=self._discovery,
                token_cache=no_token_cache(),
                exclude_scopes=["offline_access"],
                client_capabilities=list(settings.client_capabilities) or None,
            )
        except (ValueError, KeyError):  # MSAL's text quotes Entra's whole answer
            raise ServerMisconfigured(reason="Entra does not know the tenant, or the instance is not Entra") from None


def _positive(value: object) -> int:
    """`expires_in` as a number of seconds; some token servers send it as text."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
