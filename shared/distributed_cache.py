"""The second level: what one instance has exchanged, all others find, and only one of them asks Entra.

Off unless TokenCache__Redis__Url is set. It stands between the sessions and Entra, and looks like Entra to them.
Whatever ails the store, the exchange goes on without it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from .deadline import seconds_left
from .errors import ApiError
from .on_behalf_of import DownstreamToken, Exchanger
from .sealed import Seal
from .settings import Settings
from .store import Store, StoreError
from .strict_json import compact, parse_object

LOCK_SECONDS = 4.0  # an exchange takes a tenth of it; whoever dies with the lock delays the others for no longer
WAIT_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


class DistributedCache:
    """An exchanger that looks into the store first and leaves there what another one exchanged. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        entra: Exchanger,
        store: Store,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._entra, self._store = settings, entra, store
        self._now, self._sleep, self._jitter = now, sleep, jitter

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, claims: str | None, correlation_id: str
    ) -> DownstreamToken:
        """See OnBehalfOf.exchange. With claims, what is in the store has just been refused, and is replaced."""
        seal = Seal.of(assertion, self._binding(scopes))

        def ask() -> DownstreamToken:
            return self._entra.exchange(assertion, scopes, claims=claims, correlation_id=correlation_id)

        if claims:
            return self._replaced(seal, ask)
        try:
            return self._known(seal) or self._one_at_a_time(seal, ask)
        except StoreError:
            return ask()

    def _replaced(self, seal: Seal, ask: Callable[[], DownstreamToken]) -> DownstreamToken:
        try:
            token = ask()
        except ApiError:
            with suppress(StoreError):
                self._store.drop(seal.name)
            raise
        try:
            self._keep(seal, token)
        except StoreError:  # full, perhaps; then at least nobody may find the one that was refused
            with suppress(StoreError):
                self._store.drop(seal.name)
        return token

    def _one_at_a_time(self, seal: Seal, ask: Callable[[], DownstreamToken]) -> DownstreamToken:
        """The token that another instance is getting, or one of our own."""
        lock, known = self._lock_or_token(seal)
        if known is not None:
            return known
        try:
            token = ask()
            with suppress(StoreError):
                self._keep(seal, token)
            return token
        finally:
            if lock:
                with suppress(StoreError):
                    self._store.unlock(seal.name, lock)

    def _lock_or_token(self, seal: Seal) -> tuple[str, DownstreamToken | None]:
        """The lock, or the token that its holder got meanwhile; neither, if that takes too long. Raises StoreError."""
        until, pause = self._now() + seconds_left(WAIT_SECONDS), _FIRST_PAUSE_SECONDS
        while True:
            lock = self._store.lock(seal.name, LOCK_SECONDS)
            known = self._known(seal)  # under the lock as well: it may have been given back a moment ago
            if known is not None and lock:
                with suppress(StoreError):
                    self._store.unlock(seal.name, lock)
            if known is not None or lock or self._now() >= until:
                return lock, known
            self._sleep(pause * (0.5 + self._jitter() / 2))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _known(self, seal: Seal) -> DownstreamToken | None:
        """The token in the store, if it is ours, genuine and not due for renewal. Raises StoreError."""
        sealed = self._store.get(seal.name)
        content = seal.open(sealed) if sealed else None
        if content is None:
            return None
        entry = parse_object(content)
        token = DownstreamToken(entry["token"], entry["expires_at"], entry["renew_at"], is_shared=True)
        return token if self._now() < token.renew_at else None

    def _keep(self, seal: Seal, token: DownstreamToken) -> None:
        seconds = int(token.expires_at - self._now())
        if seconds > 0:
            entry = {"token": token.token, "expires_at": token.expires_at, "renew_at": token.renew_at}
            self._store.put(seal.name, seal.close(compact(entry).encode()), seconds)

    def _binding(self, scopes: Sequence[str]) -> bytes:
        return json.dumps([self._settings.tenant_id, self._settings.client_id, *scopes]).encode()
