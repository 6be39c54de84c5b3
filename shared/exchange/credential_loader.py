"""Loads the client credential: early, beside the first request, and not from a vault that is down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import CircuitBreaker, SingleFlight, within
from ..settings import CredentialSettings

if TYPE_CHECKING:
    from .client_credential import ClientCredential

LOAD_SECONDS = 35.0  # for managed identity and vault together, and for Entra's metadata after them
FRESH_SECONDS = 2.0  # how long a failure of the early load is the answer to whoever comes first
KEPT_SECONDS = 600.0  # how long what it brought may wait for the first exchange: it must not be older than it seems
_EARLY = "early client credential"

Sources = Sequence[CredentialSettings]


class CredentialLoader:
    """Where a `ConfidentialClient` gets its credential. `prefetch` is for any thread, `get` for one at a time."""

    def __init__(self, load: Callable[..., ClientCredential], now: Callable[[], float]) -> None:
        """`load` takes sources and clock, as client_credential.load_client_credential does."""
        self._load, self._now = load, now
        self._circuit, self._last_failure = CircuitBreaker("client credential", now), ApiError()
        self._prefetched: tuple[float, ClientCredential | ApiError] = float("-inf"), ApiError()
        self._flights: SingleFlight[str, None] = SingleFlight()

    def prefetch(self, sources: Sources) -> None:
        """Begins to load what the first `get` will ask for; to be called once. Waits for nothing, raises nothing."""
        self._flights.run_in_background(_EARLY, lambda: self._try_prefetch(sources))

    def get(self, sources: Sources) -> ClientCredential:
        """The credential of the first of the sources that has one: of the early load, or loaded now.

        Raises:
            ServiceUnavailable, ServerMisconfigured: none can be loaded, or the last attempts failed a moment ago.
        """
        self._flights.join(_EARLY)
        (until, prefetch), self._prefetched = self._prefetched, (float("-inf"), ApiError())
        if self._now() >= until:
            return self._loaded(sources)
        if isinstance(prefetch, ApiError):
            raise prefetch
        return prefetch

    def _try_prefetch(self, sources: Sources) -> None:
        try:
            with within(LOAD_SECONDS, self._now):
                credential = self._loaded(sources)
        except ApiError as error:
            self._prefetched = self._now() + FRESH_SECONDS, error
        else:
            self._prefetched = self._now() + KEPT_SECONDS, credential

    def _loaded(self, sources: Sources) -> ClientCredential:
        """A vault that is down is left alone for a while after some failures."""
        try:
            self._circuit.check()
        except ServiceUnavailable:
            if isinstance(self._last_failure, ServerMisconfigured):
                raise ServerMisconfigured(reason="no client credential could be loaded; not tried again yet") from None
            raise
        try:
            credential = self._load(sources, self._now)
        except ApiError as error:
            self._last_failure = error
            self._circuit.failed()
            raise
        self._circuit.succeeded()
        return credential
