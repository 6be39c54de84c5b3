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
SHARED_COOLDOWN_SECONDS = 2.0  # between two loads because Entra refused the credential in some tenants
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
        # Apart, so that a missing certificate before the newest stops no load of the newest:
        self._circuits = {of_newest: CircuitBreaker("client credential", now) for of_newest in (True, False)}
        self._last_failures: dict[bool, ApiError] = {}
        self._failed_at = self._refused_at = NEVER
        self._early_loads: SingleFlight[str, None] = SingleFlight()
        self._loads: SingleFlight[tuple[CredentialSettings, ...], LoadedCredential] = SingleFlight()

    def load_early(self) -> None:
        """Starts to load the credential before the first exchange needs it. Call it once."""
        self._early_loads.run_in_background(_EARLY_LOAD, self._load_before_first_use)

    def note_refusal(self, refused: bool) -> None:
        """Entra refused the newest credential, and those that were tried after it; or it accepted one."""
        self._refused_at = self._now() if refused else NEVER

    def broken_at(self) -> float:
        """When a request last failed because of the credential; NEVER if none did since one succeeded. Starts nothing.

        A load that fails while a credential is in use makes no request fail.
        """
        _, loaded = self._kept.get(True, (None, None))
        return self._failed_at if loaded is None else max(self._refused_at, loaded.credential.broken_at)

    def take(self, sources: Sources, newer_than: float = NEVER, refused: str | None = None) -> LoadedCredential:
        """A credential of these sources.

        Args:
            newer_than: it was loaded after that (Unix seconds).
            refused: the version that Entra refused in one tenant. Another version is returned, if there is one. It is
                looked for once in SHARED_COOLDOWN_SECONDS, however many tenants ask.

        Raises:
            ServiceUnavailable, ServerMisconfigured: it cannot be loaded.
            WaitedTooLongError: another thread loads it, and did not finish in time.
        """
        known = self._find(sources, newer_than, refused)
        if known is not None:
            return known
        self._early_loads.join(_EARLY_LOAD)

        def work() -> LoadedCredential:
            return self._find(sources, newer_than, refused) or self._anew(sources, refused)

        return self._loads.do(tuple(sources), work)

    def _anew(self, sources: Sources, refused: str | None) -> LoadedCredential:
        failure, self._early_failure = self._early_failure, None
        if failure is not None and self._now() < failure.at + FAILED_COOLDOWN_SECONDS:
            raise failure.error
        loaded = LoadedCredential(self._load_first(sources), self._now())
        self._kept[sources == self._newest] = sources, loaded
        if refused is not None:
            self._next_reload = loaded.at + SHARED_COOLDOWN_SECONDS
        return loaded

    def _find(self, sources: Sources, newer_than: float, refused: str | None) -> LoadedCredential | None:
        of, loaded = self._kept.get(sources == self._newest, (None, None))
        if loaded is None or of != sources:
            return None
        is_another = loaded.at > newer_than and loaded.credential.version != refused
        wait = self._next_reload - self._now()
        has_just_run = 0 < wait <= SHARED_COOLDOWN_SECONDS  # a longer wait: the clock was set back
        return loaded if is_another or (refused is not None and has_just_run) else None

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
        of_newest = sources == self._newest
        circuit = self._circuits[of_newest]
        try:
            circuit.check()
        except CircuitOpenError as error:
            if isinstance(self._last_failures.get(of_newest), ServerMisconfigured):
                raise ServerMisconfigured(reason="no client credential could be loaded; not tried again yet") from None
            wait = math.ceil(error.seconds)
            raise ServiceUnavailable(retry_after=wait, reason="client credential: circuit open") from None
        try:
            credential = self._load(sources, self._now)
        except ApiError as error:
            self._last_failures[of_newest] = error
            self._failed_at = self._now() if of_newest else self._failed_at
            circuit.failed()
            raise
        circuit.succeeded()
        return credential
