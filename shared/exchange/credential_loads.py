"""Loads the client credential once for all tenants: early, and again after it has become old or was refused.

A tenant that comes later, or that is evicted and comes back, asks no vault. So a vault that is down stops none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import CircuitBreaker, CircuitOpenError, SingleFlight, within
from ..settings import CredentialSettings

if TYPE_CHECKING:
    from .credential_sources import ClientCredential

LOAD_SECONDS = 35.0  # for managed identity, vault and Entra's metadata together
FAILED_COOLDOWN_SECONDS = 2.0  # after a load that failed
SHARED_COOLDOWN_SECONDS = 15.0  # between two loads because tenants refused a credential; each tenant waits longer
NEVER = float("-inf")
_EARLY_LOAD = "early client credential"

Sources = Sequence[CredentialSettings]


class LoadedCredential(NamedTuple):
    """A credential, and when it was loaded."""

    credential: ClientCredential
    at: float


class _EarlyFailure(NamedTuple):
    """The error of the load before the first exchange, and when it ended."""

    error: ApiError
    at: float


class CredentialLoads:
    """The newest credential, and the certificate before it, each with the time of its load. Thread-safe."""

    def __init__(
        self,
        newest: Sources,
        now: Callable[[], float],
        load: Callable[[Sources, Callable[[], float]], ClientCredential],
    ) -> None:
        """`load`: see credential_sources.load_client_credential."""
        self._newest, self._now, self._load = newest, now, load
        self._kept: dict[bool, tuple[Sources, LoadedCredential]] = {}  # True: the newest; False: the one before it
        self._next_reload = NEVER
        self._early_failure: _EarlyFailure | None = None
        self._circuit = CircuitBreaker("client credential", now)
        self._last_failure: ApiError | None = None
        self._early_loads: SingleFlight[str, None] = SingleFlight()
        self._loads: SingleFlight[tuple[CredentialSettings, ...], LoadedCredential] = SingleFlight()

    def load_early(self) -> None:
        """Starts to load the credential before the first exchange needs it. Call it once."""
        self._early_loads.run_in_background(_EARLY_LOAD, self._load_before_first_use)

    def take(self, sources: Sources, newer_than: float = NEVER) -> LoadedCredential:
        """A credential of these sources that was loaded after `newer_than` (Unix seconds).

        After two loads that tenants asked for in a short time, it may be older. Then the tenant is refused again.

        Raises:
            ServiceUnavailable, ServerMisconfigured: it cannot be loaded.
            WaitedTooLongError: another thread loads it, and did not finish in time.
        """
        known = self._find(sources, newer_than)
        if known is not None:
            return known
        self._early_loads.join(_EARLY_LOAD)
        return self._loads.do(
            tuple(sources), lambda: self._find(sources, newer_than) or self._anew(sources, newer_than)
        )

    def _anew(self, sources: Sources, newer_than: float) -> LoadedCredential:
        failure, self._early_failure = self._early_failure, None
        if failure is not None and self._now() < failure.at + FAILED_COOLDOWN_SECONDS:
            raise failure.error
        loaded = LoadedCredential(self._load_first(sources), self._now())
        self._kept[sources == self._newest] = sources, loaded
        if newer_than > NEVER:
            self._next_reload = loaded.at + SHARED_COOLDOWN_SECONDS
        return loaded

    def _find(self, sources: Sources, newer_than: float) -> LoadedCredential | None:
        of, loaded = self._kept.get(sources == self._newest, (None, None))
        if loaded is None or of != sources:
            return None
        is_new = loaded.at > newer_than
        return loaded if is_new or (sources == self._newest and self._now() < self._next_reload) else None

    def _load_before_first_use(self) -> None:
        try:
            with within(LOAD_SECONDS, self._now):
                loaded = LoadedCredential(self._load_first(self._newest), self._now())
        except ApiError as error:
            self._early_failure = _EarlyFailure(error, self._now())
        else:
            self._kept[True] = self._newest, loaded

    def _load_first(self, sources: Sources) -> ClientCredential:
        """The credential of the first source that has one. After some failures the circuit breaker stops the loads."""
        try:
            self._circuit.check()
        except CircuitOpenError as error:
            if isinstance(self._last_failure, ServerMisconfigured):
                raise ServerMisconfigured(reason="no client credential could be loaded; not tried again yet") from None
            wait = math.ceil(error.seconds)
            raise ServiceUnavailable(retry_after=wait, reason="client credential: circuit open") from None
        try:
            credential = self._load(sources, self._now)
        except ApiError as error:
            self._last_failure = error
            self._circuit.failed()
            raise
        self._circuit.succeeded()
        return credential
