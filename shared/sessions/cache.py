"""The bounded cache of sessions: it finds, opens and evicts them, and lets one thread at a time exchange a token.

A session is found by the SHA-256 of the bearer token, never by user. After step-up the same user has another bearer
token. A token that was exchanged for the first must not be used for the second. The bearer token itself is not kept.

A lookup removes a session that has ended. Once a minute, adding a session also removes all that have ended.
That sweep holds the lock: 1 ms for 10,000 sessions, a quarter of a second for 1,000,000, the most that can be set.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..errors import ApiError, ServiceUnavailable, Throttled
from ..exchange import DownstreamToken, Refusal, TokenSource
from ..net import SingleFlight, WaitedTooLongError, result_of
from ..telemetry import REPEAT_AFTER_SECONDS
from ..validation import ValidatedToken
from .session import Scopes, Session

if TYPE_CHECKING:
    from ..validation.jws import SigningKey

_LAST_USE_SECONDS = 30.0  # a token with less time left is not used: it must outlive the call
_RENEW_AGAIN_SECONDS = 30.0  # after a failed renewal, while the old token is still valid
_SWEEP_SECONDS = 60.0  # between two sweeps of the whole cache, at a put

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

log = logging.getLogger(__name__)


class Validator(Protocol):
    def validate(self, bearer: str) -> ValidatedToken: ...


class KeyCheck(Protocol):
    def still_valid(self, key_id: str, key: SigningKey) -> bool | None: ...


class Sessions:
    """A bounded, thread-safe cache of sessions. No lock is held during an exchange."""

    def __init__(
        self,
        validator: Validator,
        keys: KeyCheck,
        exchanger: TokenSource,
        now: Callable[[], float],
        max_sessions: int,
        max_bytes: int,
    ) -> None:
        self._validator, self._keys, self._exchanger, self._now = validator, keys, exchanger, now
        self._sessions: ExpiringLru[bytes, Session] = ExpiringLru(max_sessions, max_bytes, now)
        self._exchanges: SingleFlight[tuple[bytes, Scopes, bytes], DownstreamToken] = SingleFlight()
        self._lock = threading.Lock()
        self._evictions_reported, self._report_again_at = 0, float("-inf")

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, bearer: str) -> Session | None:
        """The session of a bearer token that was validated before and is still valid. Waits for nothing."""
        digest = _digest(bearer)
        session = self._sessions.get(digest)
        if session is None:
            return None
        token = session.access_token
        is_valid = self._keys.still_valid(token.key_id, token.key)
        if is_valid is False:  # the signing key was withdrawn; None: validate the token again
            self._sessions.remove(digest)
        return session if is_valid else None

    def open(self, bearer: str) -> Session:
        """The session of this bearer token. A new token is validated first; see AccessTokenValidator.validate."""
        session = self.find(bearer)
        if session is None:
            token, digest = self._validator.validate(bearer), _digest(bearer)
            new = Session(digest, token)
            session = self._sessions.put(digest, new, token.expires_at, new.size())
            self._warn_if_too_small()
        return session

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """An access token for these scopes on behalf of the session's user.

        Only one exchange runs at a time for each bearer token, set of scopes and refusal.

        Args:
            refusal: why the API refused an earlier token. Without claims, only one exchange a minute is made.

        Raises:
            ExchangedLately: that exchange was made less than a minute ago.
            ApiError: the exchange failed. The failure is not kept: the next call tries again.
        """
        known = self.known_token(session, scopes, refusal)
        if known is not None:
            return known
        key = (session.digest, scopes, refusal.digest() if refusal else b"")
        due = session.downstream_tokens.get(scopes)
        if due and refusal is None and self._now() < due.expires_at - _LAST_USE_SECONDS:
            self._exchanges.run_in_background(key, lambda: self._renew(session, bearer, scopes, due, correlation_id))
            return due

        def work() -> DownstreamToken:
            known = self.known_token(session, scopes, refusal)
            return known or self._exchange(session, bearer, scopes, refusal, correlation_id)

        return _wait_for(lambda: self._exchanges.do(key, work))

    def prefetch(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str
    ) -> Callable[[], DownstreamToken] | None:
        """Starts the exchange for these scopes in the background, unless a usable token is at hand.

        Returns:
            A function that waits for that exchange, and returns or raises like `token_for`. None: nothing was started.
        """
        known = session.downstream_tokens.get(scopes)
        if known and self._now() < known.expires_at - _LAST_USE_SECONDS:
            return None

        def work() -> DownstreamToken:
            return self.known_token(session, scopes) or self._exchange(session, bearer, scopes, None, correlation_id)

        future = self._exchanges.run_in_background((session.digest, scopes, b""), work)
        return None if future is None else lambda: _wait_for(lambda: result_of(future))

    def known_token(self, session: Session, scopes: Scopes, refusal: Refusal | None = None) -> DownstreamToken | None:
        """The token of an earlier exchange. None if it is due for renewal, or is the token that was refused."""
        token = session.downstream_tokens.get(scopes)
        if token is None or (refusal and refusal.token == token.token):
            return None
        if self._now() >= min(token.renew_at, token.expires_at - _LAST_USE_SECONDS):
            return None
        return token

    def _warn_if_too_small(self) -> None:
        if self._sessions.evicted > self._evictions_reported and self._now() >= self._report_again_at:
            self._evictions_reported, self._report_again_at = self._sessions.evicted, self._now() + REPEAT_AFTER_SECONDS
            log.warning(
                "%d sessions were evicted before they expired; their tokens are validated and exchanged again; "
                "consider raising TokenCache__MaxSessions and TokenCache__MaxMegabytes",
                self._evictions_reported,
            )

    def _renew(
        self, session: Session, bearer: str, scopes: Scopes, due: DownstreamToken, correlation_id: str
    ) -> DownstreamToken:
        """A new token. Requests use the old one meanwhile. After a failure, the old one, to be renewed later."""
        try:
            return self.known_token(session, scopes) or self._exchange(session, bearer, scopes, None, correlation_id)
        except ApiError as error:
            log.warning("a downstream token could not be renewed yet (%s)", error)
            later = replace(due, renew_at=self._now() + _RENEW_AGAIN_SECONDS)
            if session.downstream_tokens.get(scopes) is due:
                session.downstream_tokens[scopes] = later
            return later

    def _exchange(
        self, session: Session, bearer: str, scopes: Scopes, refusal: Refusal | None, correlation_id: str
    ) -> DownstreamToken:
        known = session.downstream_tokens.get(scopes)
        if refusal and not refusal.claims:
            with self._lock:
                session.reserve_exchange(scopes, self._now())
        try:  # from here on the bearer token is the assertion of the exchange
            session.check_not_throttled(scopes, self._now())
            token = self._exchanger.exchange(bearer, scopes, correlation_id=correlation_id, refusal=refusal)
        except ApiError as error:
            if isinstance(error, Throttled):
                session.throttle(scopes, self._now(), error.retry_after)
            if refusal and refusal.is_void:
                session.drop(scopes, refusal)
                self._sessions.resize(session.digest, session, session.size)
            raise
        if refusal and refusal.claims:  # only this token surely meets the claims: it replaces any other
            known = session.downstream_tokens.get(scopes)
        session.keep(scopes, token, instead_of=known)
        self._sessions.resize(session.digest, session, session.size)
        return token


class _Entry(Generic[V]):
    __slots__ = ("ends_at", "size", "value")

    def __init__(self, value: V, ends_at: float, size: int) -> None:
        self.value, self.ends_at, self.size = value, ends_at, size


class ExpiringLru(Generic[K, V]):
    """A thread-safe map whose entries expire at a given time. If it is full, the least recently used are evicted.

    It is bounded by the number of its entries and by the sum of their sizes, which the caller gives.
    """

    def __init__(self, max_entries: int, max_size: int, now: Callable[[], float]) -> None:
        self._max_entries, self._max_size, self._now = max_entries, max_size, now
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._sweep_at = float("-inf")
        self.size = 0
        self.evicted = 0  # entries that were evicted before they expired
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, which counts as used now. None if there is none, or if it has expired."""
        now = self._now()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if now >= entry.ends_at:
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return entry.value

    def put(self, key: K, value: V, ends_at: float, size: int) -> V:
        """Stores the value until `ends_at` (Unix seconds), unless the key has a value. Returns the stored value."""
        with self._lock:
            self._sweep()
            known = self._entries.get(key)
            if known is not None:
                return known.value
            self._entries[key] = _Entry(value, ends_at, size)
            self.size += size
            self._make_room()
            return value

    def resize(self, key: K, value: V, size_now: Callable[[], int]) -> None:
        """Updates the size of the entry, if the key still holds this value."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.value is value:
                size = size_now()  # under the lock, so that the later of two threads stores the later size
                self.size += size - entry.size
                entry.size = size
                self._make_room()

    def remove(self, key: K) -> None:
        with self._lock:
            self._remove(key)

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size

    def _make_room(self) -> None:
        while len(self._entries) > self._max_entries or self.size > self._max_size:
            _, entry = self._entries.popitem(last=False)
            self.size -= entry.size
            self.evicted += self._now() < entry.ends_at

    def _sweep(self) -> None:
        """Removes all expired entries, once a minute."""
        now = self._now()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            for key in [key for key, entry in self._entries.items() if now >= entry.ends_at]:
                self._remove(key)


def _wait_for(wait: Callable[[], DownstreamToken]) -> DownstreamToken:
    try:
        return wait()
    except WaitedTooLongError as error:
        raise ServiceUnavailable(reason=str(error)) from None


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode("utf-8", "surrogatepass")).digest()
