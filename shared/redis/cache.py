"""The token cache that instances share: one instance exchanges a token, and all others find it.

The cache is on only if TokenCache__Redis__Url is set. Sessions use it through the same interface as Entra
(`TokenSource`). If the store fails, the exchange goes on without it.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..errors import ApiError
from ..exchange import DownstreamToken, Origin, Refusal, TokenSource
from ..net import compact, parse_object, seconds_left
from ..settings import Authority
from .cache_backend import BackendError, CacheBackend
from .sealed import Seal

LOCK_SECONDS = 4.0  # ten times an exchange; if an instance dies with the lock, others wait no longer
WAIT_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


class DistributedCache:
    """A TokenSource that looks in the store first, and stores every token that Entra returns. Thread-safe."""

    def __init__(
        self,
        authority: Authority,
        entra: TokenSource,
        store: CacheBackend,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._authority, self._entra, self._store = authority, entra, store
        self._now, self._sleep, self._jitter = now, sleep, jitter

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """A token from the store, or from an exchange; see OnBehalfOf.exchange.

        A refused token does not come back from the store, but is replaced there. After a refusal with claims, no stored
        token is used. After a refusal without claims, another stored token is used, if there is one.
        """
        seal = Seal.of(assertion, self._binding(scopes))

        def ask() -> DownstreamToken:
            return self._entra.exchange(assertion, scopes, correlation_id=correlation_id, refusal=refusal)

        if refusal and refusal.claims:
            return self._replaced(seal, ask, refusal)
        try:
            content = self._store.get(seal.name)
            known = self._opened(seal, content)
            if refusal:
                is_other = known is not None and known.token != refusal.token
                return known if known and is_other else self._replaced(seal, ask, refusal)
            return known or self._one_at_a_time(seal, content, ask)
        except BackendError:
            return ask()

    def _replaced(self, seal: Seal, ask: Callable[[], DownstreamToken], refusal: Refusal) -> DownstreamToken:
        """A new token in place of the refused one. If there is none, the refused one is removed from the store."""
        try:
            token = ask()
        except ApiError:
            if refusal.is_void:
                with suppress(BackendError):
                    self._store.drop(seal.name)
            raise
        if not self._keep(seal, token):  # it may be full; then the refused one must still be removed
            with suppress(BackendError):
                self._store.drop(seal.name)
        return token

    def _one_at_a_time(self, seal: Seal, useless: bytes | None, ask: Callable[[], DownstreamToken]) -> DownstreamToken:
        """The token that another instance is getting, or one of our own."""
        lock, known = self._lock_or_token(seal, useless or b"")
        if known is not None:
            return known
        is_kept = False
        try:
            token = ask()
            is_kept = self._keep(seal, token, lock)
            return token
        finally:
            if lock and not is_kept:
                with suppress(BackendError):
                    self._store.unlock(seal.name, lock)

    def _lock_or_token(self, seal: Seal, useless: bytes) -> tuple[str, DownstreamToken | None]:
        """The lock, or the token that its holder got; neither, if that takes too long. Raises BackendError."""
        until, pause = self._now() + seconds_left(2 * WAIT_SECONDS) / 2, _FIRST_PAUSE_SECONDS  # the rest is for Entra
        while True:
            content, lock = self._store.get_or_lock(seal.name, LOCK_SECONDS, unless=useless)
            known = self._opened(seal, content)
            if known is not None or lock or self._now() >= until:
                return lock, known
            useless = content or useless
            self._sleep(pause * (0.5 + self._jitter() / 2))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _opened(self, seal: Seal, sealed: bytes | None) -> DownstreamToken | None:
        """The token in the entry, if it is ours, genuine and not due for renewal."""
        content = seal.open(sealed) if sealed else None
        token = _token_in(content) if content is not None else None
        return token if token is not None and self._now() < token.renew_at else None

    def _keep(self, seal: Seal, token: DownstreamToken, lock: str = "") -> bool:
        """Stores the token and gives the lock back. Returns whether that worked."""
        seconds = int(token.expires_at - self._now())
        if seconds <= 0:
            return False
        entry = {
            "token": token.token,
            "expires_at": token.expires_at,
            "renew_at": token.renew_at,
            "granted": token.granted,
        }
        try:
            self._store.put(seal.name, seal.close(compact(entry).encode()), seconds, lock)
        except BackendError:
            return False
        return True

    def _binding(self, scopes: Sequence[str]) -> bytes:
        return json.dumps([self._authority.tenant_id, self._authority.client_id, *scopes]).encode()


def _token_in(content: bytes) -> DownstreamToken | None:
    """The token in a decrypted entry. None if another version of this code wrote it in another form."""
    try:
        match parse_object(content):
            case {
                "token": str(token),
                "expires_at": (float() | int()) as ends,
                "renew_at": (float() | int()) as renew,
                **rest,
            }:
                granted = str(rest.get("granted", ""))  # not in the entries of older versions
                return DownstreamToken(token, ends, renew, Origin.SHARED_CACHE, granted=sys.intern(granted))
    except ValueError:
        pass
    return None
