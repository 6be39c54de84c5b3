"""Loads the client credential: early, beside the first request, and not from a vault that is down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .circuit import Circuit
from .credential_settings import CredentialSettings
from .deadline import within
from .errors import ApiError, ServerMisconfigured, ServiceUnavailable
from .single_flight import SingleFlight

if TYPE_CHECKING:
    from .client_credential import ClientCredential

LOAD_SECONDS = 35.0  # for managed identity and vault together, and for Entra's metadata after them
FRESH_SECONDS = 2.0  # how long a failure of the early load is the answer to whoever comes first
KEPT_SECONDS = 600.0  # how long what it brought may wait for the first exchange: it must not be older than it seems
_EARLY = "early client credential"

Sources = Sequence[CredentialSettings]


class CredentialLoader:
    """Where a `ConfidentialClient` gets its credential. `early` may run beside everything; `take` is for one thread."""

    def __init__(self, load: Callable[..., ClientCredential], now: Callable[[], float]) -> None:
        """`load` takes sources and clock, as client_credential.load_client_credential does."""
        self._load, self._now = load, now
        self._circuit, self._last_failure = Circuit("client credential", now), ApiError()
        self._early: tuple[float, ClientCredential | ApiError] = float("-inf"), ApiError()
        self._flights: SingleFlight[str, None] = SingleFlight()

    def early(self, sources: Sources) -> None:
        """Begins to load what the first `take` will ask for; to be called once. Waits for nothing, raises nothing."""
        self._flights.start(_EARLY, lambda: self._try_early(sources))

    def take(self, sources: Sources) -> ClientCredential:
        """The credential of the first of the sources that has one: of the early load, or loaded now.

        Raises:
            ServiceUnavailable, ServerMisconfigured: none can be loaded, or the last attempts failed a moment ago.
        """
        self._flights.join(_EARLY)
        (until, early), self._early = self._early, (float("-inf"), ApiError())
        if self._now() >= until:
            return self._loaded(sources)
        if isinstance(early, ApiError):
            raise early
        return early

    def _try_early(self, sources: Sources) -> None:
        try:
            with within(LOAD_SECONDS, self._now):
                credential = self._loaded(sources)
        except ApiError as error:
            self._early = self._now() + FRESH_SECONDS, error
        else:
            self._early = self._now() + KEPT_SECONDS, credential

    def _loaded(self, sources: Sources) -> ClientCredential:
        """A vault that is down is left alone for a while after some failures."""
        try:
            self._circuit.admit()
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
