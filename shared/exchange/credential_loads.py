"""Loads the client credential once for all tenants: early, and again when it is old or was refused.

A tenant that comes later, or that is evicted and comes back, asks no vault. So a vault that is down stops no such
tenant.
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
FAILED_COOLDOWN_SECONDS = 2.0  # after a failed load
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


class _Part:
    """The last load of one of the two credentials, and the failures of its loads."""

    __slots__ = ("circuit", "kept", "last_failure")

    def __init__(self, now: Callable[[], float]) -> None:
        self.kept: tuple[Sources, LoadedCredential] | None = None
        self.last_failure: ApiError | None = None
        self.circuit = CircuitBreaker("client credential", now)


class CredentialLoads:
    """The newest credential, and the certificate before it, each with the time of its load. Thread-safe.

    A circuit breaker for each: if there is no earlier certificate, that stops no load of the newest credential.
    """

    def __init__(
        self,
        newest: Sources,
        now: Callable[[], float],
        load: Callable[[Sources, Callable[[], float]], ClientCredential],
    ) -> None:
        """`load` is credential_sources.load_client_credential, for one authority."""
        self._newest_sources, self._now, self._load = newest, now, load
        self._newest, self._before = _Part(now), _Part(now)
        self._next_reload = NEVER
        self._early_failure: _EarlyFailure | None = None
        self._failed_at = self._refused_at = NEVER
        self._early_loads: SingleFlight[str, None] = SingleFlight()
        self._loads: SingleFlight[tuple[CredentialSettings, ...], LoadedCredential] = SingleFlight()

    def load_early(self) -> None:
        """Starts to load the credential before an exchange needs it, if there is none. Forgets an earlier failure."""
        if self._newest.kept is None:
            self._failed_at = NEVER
            self._early_loads.run_in_background(_EARLY_LOAD, self._load_before_first_use)

    def note_refusal(self, refused: bool) -> None:
        """`refused`: True if Entra refused the newest credential and those tried after it. False if it accepted one."""
        self._refused_at = self._now() if refused else NEVER

    def broken_at(self) -> float:
        """When the credential last made a request fail. NEVER if none failed, or one succeeded since. Starts nothing.

        A load that fails while a credential is in use makes no request fail.
        """
        if self._newest.kept is None:
            return self._failed_at
        _, loaded = self._newest.kept
        return max(self._refused_at, loaded.credential.broken_at)

    def take(self, sources: Sources, newer_than: float = NEVER, refused: str | None = None) -> LoadedCredential:
        """A credential of these sources.

        Args:
            newer_than: accept only a credential loaded after this time (Unix seconds).
            refused: the version that Entra refused in one tenant. Another version is returned, if there is one. The
                search runs once per SHARED_COOLDOWN_SECONDS, however many tenants ask.

        Raises:
            ServiceUnavailable, ServerMisconfigured: the credential cannot be loaded.
            WaitedTooLongError: another thread loads the credential, and did not finish in time.
        """
        known = self._find(sources, newer_than, refused)
        if known is not None:
            return known
        self._early_loads.join(_EARLY_LOAD)

        def work() -> LoadedCredential:
            return self._find(sources, newer_than, refused) or self._load_again(sources, refused)

        return self._loads.do(tuple(sources), work)

    def _load_again(self, sources: Sources, refused: str | None) -> LoadedCredential:
        failure, self._early_failure = self._early_failure, None
        if failure is not None and self._now() < failure.at + FAILED_COOLDOWN_SECONDS:
            raise failure.error
        loaded = LoadedCredential(self._load_first(sources), self._now())
        self._part_for(sources).kept = sources, loaded
        if refused is not None:
            self._next_reload = loaded.at + SHARED_COOLDOWN_SECONDS
        return loaded

    def _find(self, sources: Sources, newer_than: float, refused: str | None) -> LoadedCredential | None:
        kept = self._part_for(sources).kept
        if kept is None or kept[0] != sources:
            return None
        _, loaded = kept
        is_another = loaded.at > newer_than and loaded.credential.version != refused
        wait = self._next_reload - self._now()
        has_just_run = 0 < wait <= SHARED_COOLDOWN_SECONDS  # a longer wait: the clock was set back
        return loaded if is_another or (refused is not None and has_just_run) else None

    def _load_before_first_use(self) -> None:
        if self._newest.kept is not None:  # another thread may just have loaded it
            return
        self._early_failure = None
        try:
            with within(LOAD_SECONDS, self._now):
                loaded = LoadedCredential(self._load_first(self._newest_sources), self._now())
        except ApiError as error:
            self._early_failure = _EarlyFailure(error, self._now())
        else:
            self._newest.kept = self._newest_sources, loaded

    def _load_first(self, sources: Sources) -> ClientCredential:
        """The credential of the first source that has one. After some failures the circuit breaker stops the loads."""
        part = self._part_for(sources)
        try:
            part.circuit.check()
        except CircuitOpenError as error:
            if isinstance(part.last_failure, ServerMisconfigured):
                raise ServerMisconfigured(reason="no client credential could be loaded; not tried again yet") from None
            wait = math.ceil(error.seconds)
            raise ServiceUnavailable(retry_after=wait, reason="client credential: circuit open") from None
        try:
            credential = self._load(sources, self._now)
        except ApiError as error:
            part.last_failure = error
            if part is self._newest:
                self._failed_at = self._now()
            part.circuit.failed()
            raise
        part.circuit.succeeded()
        return credential

    def _part_for(self, sources: Sources) -> _Part:
        return self._newest if sources == self._newest_sources else self._before
