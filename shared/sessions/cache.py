"""The bounded cache of sessions, one per bearer token: who the user is, and every token exchanged for them.

Found by the SHA-256 of the bearer token, never by user: after step-up the same user holds another token. What was
exchanged for the first must not be used for the second. The bearer token itself is not kept.

What has ended is removed when it is looked up. Once a minute, a new session also makes a sweep of the whole cache.
The sweep holds the lock: 1 ms for 10,000 sessions, a quarter of a second for 1,000,000, the most that can be set.
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

_LAST_USE_SECONDS = 30.0  # a downstream token must outlive the call it is used for
_RENEW_AGAIN_SECONDS = 30.0  # after a renewal that failed, while the token at hand is good
_SWEEP_SECONDS = 60.0  # between two sweeps of the whole cache, at a put

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

log = logging.getLogger(__name__)


class Validator(Protocol):
    def validate(self, token: str) -> ValidatedToken: ...


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
        self._evictions_told, self._tell_again_at = 0, float("-inf")

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, bearer: str) -> Session | None:
        """The session of a token that was validated before and still holds. Waits for nothing."""
        digest = _digest(bearer)
        session = self._sessions.get(digest)
        if session is None:
            return None
        token = session.access_token
        is_valid = self._keys.still_valid(token.key_id, token.key)
        if is_valid is False:  # its signing key was withdrawn; None: the token must be validated again
            self._sessions.remove(digest)
        return session if is_valid else None

    def open(self, bearer: str) -> Session:
        """The session of this token, validating it if it is new. Raises what AccessTokenValidator.validate raises."""
        session = self.find(bearer)
        if session is None:
            token, digest = self._validator.validate(bearer), _digest(bearer)
            new = Session(digest, token)
            session = self._sessions.put(digest, new, token.expires_at, new.size())
            self._tell_if_too_small()
        return session

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """An access token for these scopes on behalf of the session's user; at most one exchange at a time for them.

        Args:
            refusal: why an earlier token does not do. Without claims, only one exchange a minute is made for it.

        Raises:
            ExchangedLately: that one was made already.
            ApiError: the exchange failed; the failure is not kept, the next call tries again.
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
            What waits for that exchange, and returns or raises as `token_for`. None: nothing was started.
        """
        known = session.downstream_tokens.get(scopes)
        if known and self._now() < known.expires_at - _LAST_USE_SECONDS:
            return None

        def work() -> DownstreamToken:
            return self.known_token(session, scopes) or self._exchange(session, bearer, scopes, None, correlation_id)

        future = self._exchanges.run_in_background((session.digest, scopes, b""), work)
        return None if future is None else lambda: _wait_for(lambda: result_of(future))

    def known_token(self, session: Session, scopes: Scopes, refusal: Refusal | None = None) -> DownstreamToken | None:
        """The token that an earlier exchange brought, unless it is due for renewal or the very one that was refused."""
        token = session.downstream_tokens.get(scopes)
        if token is None or (refusal and refusal.token == token.token):
            return None
        if self._now() >= min(token.renew_at, token.expires_at - _LAST_USE_SECONDS):
            return None
        return token

    def _tell_if_too_small(self) -> None:
        if self._sessions.evicted > self._evictions_told and self._now() >= self._tell_again_at:
            self._evictions_told, self._tell_again_at = self._sessions.evicted, self._now() + REPEAT_AFTER_SECONDS
            log.warning(
                "%d sessions were evicted before they expired, and are validated and exchanged again; "
                "consider raising TokenCache__MaxSessions and TokenCache__MaxMegabytes",
                self._evictions_told,
            )

    def _renew(
        self, session: Session, bearer: str, scopes: Scopes, due: DownstreamToken, correlation_id: str
    ) -> DownstreamToken:
        """A new token, fetched in the background while requests use the old one. After a failure it is tried again."""
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
        try:
            session.check_not_throttled(scopes, self._now())
            token = self._exchanger.exchange(bearer, scopes, correlation_id=correlation_id, refusal=refusal)
        except ApiError as error:
            if isinstance(error, Throttled):
                session.throttle(scopes, self._now(), error.retry_after)
            if refusal and refusal.is_void:
                session.drop(scopes, refusal)
                self._sessions.resize(session.digest, session, session.size)
            raise
        if refusal and refusal.claims:  # it meets what no other token can be known to meet
            known = session.downstream_tokens.get(scopes)
        session.keep(scopes, token, instead_of=known)
        self._sessions.resize(session.digest, session, session.size)
        return token


class _Entry(Generic[V]):
    __slots__ = ("ends_at", "size", "value")

    def __init__(self, value: V, ends_at: float, size: int) -> None:
        self.value, self.ends_at, self.size = value, ends_at, size


class ExpiringLru(Generic[K, V]):
    """A thread-safe map whose entries end at a given time; when it is full the least recently used go first.

    Bounded by number, and by the sum of the sizes that its entries are said to have.
    """

    def __init__(self, max_entries: int, max_size: int, now: Callable[[], float]) -> None:
        self._max_entries, self._max_size, self._now = max_entries, max_size, now
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._sweep_at = float("-inf")
        self.size = 0
        self.evicted = 0  # entries that had to go although their time was not over
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None when there is none or its time is over."""
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
        """Keeps the value until `ends_at` (seconds since 1970), unless the key has one; returns the one kept."""
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
        """This value, if it is still the one of the key, has another size by now."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.value is value:
                size = size_now()  # under the lock: of two threads the later one must book the later size
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
        """Removes all entries that have ended, once a minute."""
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
