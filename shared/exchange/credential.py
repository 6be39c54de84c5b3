"""One tenant's MSAL application: which certificate it uses, before, during and after a certificate rotation.

    state        in use                         what comes next
    ----------   ----------------------------   ----------------------------------------------------------------
    empty        nothing                        While the app is loaded, a load of the credential begins → early.
    early        nothing; a load has begun      The first exchange → current.
    current      the newest credential          After 4 hours it is loaded again in the background → current.
                                                The application is kept if the vault has no newer version.
                                                If Entra refuses the credential, it is loaded again → current.
                                                If nothing newer exists, the previous certificate is used → previous.
    previous     the certificate before the     After 5 minutes the newest is loaded in the background → current.
                 newest in the vault

Each tenant has its own state, so its refusals change nothing for another tenant. `CredentialLoads` loads for all
tenants.

A failed load leaves the state as it is. After a refusal, loads are at least 30 seconds apart. After a failed load, only
2. A circuit breaker stops the loads while a vault is down. Every load runs in the background. If one waiting request is
out of time, the others still get the result.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import SingleFlight, WaitedTooLongError, within
from ..settings import Authority, ClientSettings
from .credential_loads import FAILED_COOLDOWN_SECONDS, LOAD_SECONDS, NEVER, CredentialLoads, Sources
from .msal_client import DiscoveryCache, MsalHttpClient, msal_application

if TYPE_CHECKING:
    from .credential_sources import ClientCredential

RELOAD_AFTER_SECONDS = 4 * 3600.0  # a rotated certificate is used before Entra refuses the old one
RETURN_AFTER_SECONDS = 300.0  # from the previous certificate to the newest, which Entra knows by then
RELOAD_COOLDOWN_SECONDS = 30.0  # between two loads after refusals, to spare the vault

_IN_VAULT = ("KeyVault", "SignedAssertionFromVault")
_LOAD = "client credential"

log = logging.getLogger(__name__)


class ConfidentialClient:
    """An MSAL application around one loaded credential.

    `version` is the version of the certificate in the vault, or "" if the credential is not from a vault.
    `loaded_at` is the time of the last load, and `reload_at` of the next. A reload that keeps the application changes
    both.
    """

    __slots__ = ("loaded_at", "msal", "reload_at", "source_type", "version")

    def __init__(
        self, msal: Any, reload_at: float, version: str, loaded_at: float = NEVER, source_type: str = ""
    ) -> None:
        self.msal, self.reload_at, self.version = msal, reload_at, version
        self.loaded_at, self.source_type = loaded_at, source_type


class ConfidentialClients:
    """The application in use, and its replacements. The table above has the states. Thread-safe."""

    def __init__(
        self,
        authority: Authority,
        client: ClientSettings,
        http: MsalHttpClient,
        now: Callable[[], float],
        credentials: CredentialLoads,
    ) -> None:
        """`credentials` is the loader that all tenants share."""
        self._authority, self._capabilities, self._http = authority, client.capabilities, http
        self._now, self._credentials = now, credentials
        self._discovery = DiscoveryCache()
        self._newest = client.credentials
        self._vaults = tuple(source for source in self._newest if source.source_type in _IN_VAULT)
        self._client: ConfidentialClient | None = None
        self._next_reload = self._next_return = NEVER
        self._reload_failed = self._is_refused = False
        self._loads: SingleFlight[str, ConfidentialClient] = SingleFlight()

    def note_refusal(self, refused: bool) -> None:
        """Notes whether Entra refused every credential. Skipped with several tenants: one says nothing about others."""
        if (refused or self._is_refused) and not self._authority.among_several:
            self._is_refused = refused
            self._credentials.note_refusal(refused)

    def get(self) -> ConfidentialClient:
        """The application in use. An old one is replaced in the background.

        Raises:
            ServiceUnavailable, ServerMisconfigured: no credential can be loaded.
        """
        client = self._client or self._wait_for(lambda: self._client or self._build(self._newest))
        if self._now() >= max(client.reload_at, self._next_reload):
            self._loads.run_in_background(_LOAD, lambda: self._reload(client, keep=client))
        return client

    def newest(self, refused: ConfidentialClient) -> ConfidentialClient:
        """An application with the newest credential, after Entra refused that of `refused`.

        Its credential may have the same version as the refused one. If a reload ran in the last 30 seconds, the result
        is `refused` itself.

        Raises:
            ServiceUnavailable, ServerMisconfigured: the credential cannot be loaded.
        """
        return self._replace(refused, lambda: self._reload(refused, is_refused=True))

    def previous_certificate(self, refused: ConfidentialClient) -> ConfidentialClient:
        """An application with the certificate before that of `refused`. `refused` itself if there is none."""
        return self._replace(refused, lambda: self._go_back(refused)) if refused.version else refused

    def _replace(self, refused: ConfidentialClient, work: Callable[[], ConfidentialClient]) -> ConfidentialClient:
        """The result of `work`. If a load is running already, its client is returned, unless that is `refused`."""
        has_run = threading.Event()

        def run() -> ConfidentialClient:
            has_run.set()
            return work()

        while True:
            client = self._wait_for(run)  # the result of `run`, or of a load that was running already
            if client is not refused or has_run.is_set():
                return client

    def _wait_for(self, work: Callable[[], ConfidentialClient]) -> ConfidentialClient:
        """Runs `work` in the background, or joins the running load, and waits for the result."""
        try:
            return self._loads.wait_in_background(_LOAD, work)
        except WaitedTooLongError as error:
            raise ServiceUnavailable(reason=str(error)) from None

    def _reload(
        self, stale: ConfidentialClient, *, keep: ConfidentialClient | None = None, is_refused: bool = False
    ) -> ConfidentialClient:
        """A client newer than `stale`, or the current one if a reload has just ended. `keep` is for _build.

        Raises:
            ServiceUnavailable: a reload has just failed.
            ApiError: the reload failed.
        """
        current, wait = self._client, self._next_reload - self._now()
        has_just_run = 0 < wait <= RELOAD_COOLDOWN_SECONDS  # a longer wait means that the clock was set back
        if current is not None and current is not stale:
            return current
        if current is not None and has_just_run:
            if self._reload_failed:  # the vault may hold a newer credential
                raise ServiceUnavailable(retry_after=math.ceil(wait), reason="client credential not loaded anew yet")
            return current
        self._next_reload = self._now() + RELOAD_COOLDOWN_SECONDS
        try:
            refused = stale.version if is_refused else None
            client = self._build(self._newest, newer_than=stale.loaded_at, refused=refused, keep=keep)
            self._reload_failed = False
        except ApiError:
            self._next_reload, self._reload_failed = self._now() + FAILED_COOLDOWN_SECONDS, True
            raise
        return client

    def _go_back(self, refused: ConfidentialClient) -> ConfidentialClient:
        """Switches to the previous certificate. Keeps the client if none exists, or if the switch was just tried."""
        current = self._client or refused
        if current is not refused or 0 < self._next_return - self._now() <= RELOAD_COOLDOWN_SECONDS:
            return current
        self._next_return = self._now() + RELOAD_COOLDOWN_SECONDS
        try:
            before = tuple(source._replace(version_refused=refused.version) for source in self._vaults)
            client = self._build(before, RETURN_AFTER_SECONDS, newer_than=self._now() - RETURN_AFTER_SECONDS)
        except ServerMisconfigured:  # no earlier version; credential_sources has logged that
            return refused
        except ApiError:
            self._next_return = self._now() + FAILED_COOLDOWN_SECONDS
            raise
        log.warning("client credential: Entra does not know the newest certificate yet; using the one before")
        return client

    def _build(
        self,
        sources: Sources,
        lasts: float = RELOAD_AFTER_SECONDS,
        newer_than: float = NEVER,
        refused: str | None = None,
        keep: ConfidentialClient | None = None,
    ) -> ConfidentialClient:
        """A new application, or `keep` if the vault still has its version: then its signed assertions stay in use."""
        with within(LOAD_SECONDS, self._now):
            credential, at = self._credentials.take(sources, newer_than, refused)
            if keep is not None and _is_same(keep, credential):
                keep.reload_at, keep.loaded_at = at + lasts, at
                return keep
            application = msal_application(self._authority, self._capabilities, credential, self._http, self._discovery)
        version, source = credential.version, credential.source_type
        self._client = client = ConfidentialClient(application, at + lasts, version, at, source)
        return client


def _is_same(client: ConfidentialClient, credential: ClientCredential) -> bool:
    """Whether the client has this version of the certificate, from the same kind of source."""
    return bool(client.version) and (client.source_type, client.version) == (credential.source_type, credential.version)
