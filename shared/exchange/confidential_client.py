"""The MSAL application around the API's credential: built at the first exchange, rebuilt when the credential changes.

Loading runs beside the requests that wait for it: when one of them is out of time, the others still get what it loads.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import SingleFlight, within
from ..settings import CredentialSettings, Settings
from .credential_loader import LOAD_SECONDS, CredentialLoader
from .msal_client import DiscoveryCache, MsalHttpClient, msal_application

if TYPE_CHECKING:
    from .client_credential import ClientCredential

RELOAD_AFTER_SECONDS = 4 * 3600.0  # a certificate rotated in the vault is picked up without being refused first
RETURN_AFTER_SECONDS = 300.0  # from the certificate before the newest to the newest: Entra has heard of it by then
RELOAD_COOLDOWN_SECONDS = 30.0  # between two reloads, so that a credential that Entra refuses does not hammer the vault
FAILED_COOLDOWN_SECONDS = 2.0  # after one that failed; a vault that is down has its circuit besides

_LOAD = "client credential"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConfidentialClient:
    """An MSAL application around one loaded credential."""

    msal: Any
    reload_at: float
    version: str
    """Of the certificate in the vault; "" when the credential is from elsewhere."""


class ConfidentialClients:
    """The application in use and its successors. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        http: MsalHttpClient,
        now: Callable[[], float],
        load: Callable[..., ClientCredential],
    ) -> None:
        self._settings, self._http, self._now = settings, http, now
        self._loader = CredentialLoader(load, now)
        self._discovery = DiscoveryCache()
        self._newest = settings.client_credentials
        self._vaults = tuple(source for source in self._newest if source.source_type == "KeyVault")
        self._client: ConfidentialClient | None = None
        self._next_reload = self._next_return = float("-inf")
        self._reload_failed = False
        self._loads: SingleFlight[str, ConfidentialClient] = SingleFlight()

    def prepare(self) -> None:
        """Begins to load the credential, so that the first exchange need not wait for all of it."""
        self._loader.prefetch(self._newest)

    def ready(self) -> ConfidentialClient:
        """The one in use. Old ones are renewed beside the requests.

        Raises:
            ServiceUnavailable, ServerMisconfigured: there is none yet, and none can be had.
        """
        client = self._client
        if client is None:
            return self._loads.wait_in_background(_LOAD, lambda: self._client or self._build(self._newest))
        if self._now() >= max(client.reload_at, self._next_reload):
            self._loads.run_in_background(_LOAD, lambda: self._reload(client))
        return client

    def newest(self, refused: ConfidentialClient) -> ConfidentialClient:
        """One newer than `refused`, whose credential Entra does not know; `refused` itself if there is none.

        Raises:
            ServiceUnavailable, ServerMisconfigured: the credential cannot be loaded.
        """
        return self._instead_of(refused, lambda: self._reload(refused))

    def previous_certificate(self, refused: ConfidentialClient) -> ConfidentialClient:
        """One with the certificate before its own; `refused` itself if there is none. For a few minutes only."""
        return self._instead_of(refused, lambda: self._go_back(refused)) if refused.version else refused

    def _instead_of(self, refused: ConfidentialClient, work: Callable[[], ConfidentialClient]) -> ConfidentialClient:
        """What `work` makes instead of the one refused, or what another load under way does; one load at a time."""
        done = threading.Event()

        def mine() -> ConfidentialClient:
            done.set()
            return work()

        while True:
            client = self._loads.wait_in_background(_LOAD, mine)
            if client is not refused or done.is_set():
                return client

    def _reload(self, stale: ConfidentialClient) -> ConfidentialClient:
        """A client newer than `stale`, or the one there is when somebody else has just made or tried it."""
        current, wait = self._client, self._next_reload - self._now()
        if current is not None and current is not stale:
            return current
        if current is not None and wait > 0:
            if self._reload_failed:  # so it is not known whether there is a better one
                raise ServiceUnavailable(retry_after=math.ceil(wait), reason="client credential not loaded anew yet")
            return current
        self._next_reload = self._now() + RELOAD_COOLDOWN_SECONDS
        try:
            client, self._reload_failed = self._build(self._newest), False
        except ApiError:
            self._next_reload, self._reload_failed = self._now() + FAILED_COOLDOWN_SECONDS, True
            raise
        return client

    def _go_back(self, refused: ConfidentialClient) -> ConfidentialClient:
        """A client with the certificate before it; the one there is, if that was just tried or is none."""
        current = self._client or refused
        if current is not refused or self._now() < self._next_return:
            return current
        self._next_return = self._now() + RELOAD_COOLDOWN_SECONDS
        try:
            before = tuple(replace(source, version_refused=refused.version) for source in self._vaults)
            client = self._build(before, RETURN_AFTER_SECONDS)
        except ServerMisconfigured:  # there is none; the loader has said why
            return refused
        except ApiError:
            self._next_return = self._now() + FAILED_COOLDOWN_SECONDS
            raise
        log.warning("client credential: Entra does not know the newest certificate yet; using the one before")
        return client

    def _build(self, sources: Sequence[CredentialSettings], lasts: float = RELOAD_AFTER_SECONDS) -> ConfidentialClient:
        with within(LOAD_SECONDS, self._now):
            credential = self._loader.get(sources)
            application = msal_application(self._settings, credential, self._http, self._discovery)
        self._client = client = ConfidentialClient(application, self._now() + lasts, credential.version)
        return client
