"""A session, and its use by one request: `Session` lives as long as a bearer token, `RequestContext` as a request."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import replace
from time import perf_counter
from typing import Protocol

from ..errors import ApiError, Throttled
from ..exchange import DownstreamToken, Origin, Refusal
from ..settings import DownstreamApiSettings
from ..telemetry import RequestRecord
from ..validation import ValidatedToken

MAX_TOKENS_PER_SESSION = 16
ANEW_SECONDS = 60.0  # the minimum between two exchanges after an API refused a token without claims
_SESSION_BYTES = 850
_TOKEN_BYTES = 350

Scopes = tuple[str, ...]


class ExchangedLately(ApiError):  # noqa: N818 — no request fails with it: UserCalls catches it and keeps the API's response
    """No new exchange for a token that an API refused: the last one was less than a minute ago."""


class Session:
    """What is known about one bearer token. It lives at most as long as that token."""

    __slots__ = ("_anew_from", "_not_before", "access_token", "digest", "downstream_tokens")

    def __init__(self, digest: bytes, access_token: ValidatedToken) -> None:
        self.digest, self.access_token = digest, access_token
        self.downstream_tokens: dict[Scopes, DownstreamToken] = {}
        self._not_before: dict[Scopes, float] | None = None  # None, because few sessions need a dict
        self._anew_from: dict[Scopes, float] | None = None

    def size(self) -> int:
        """An estimate of the bytes in memory: measured constants, plus the lengths of the tokens."""
        tokens = sum(_TOKEN_BYTES + len(token.token) for token in list(self.downstream_tokens.values()))
        return _SESSION_BYTES + len(self.access_token.payload) + tokens

    def keep(self, scopes: Scopes, token: DownstreamToken, *, instead_of: DownstreamToken | None) -> None:
        """Stores the token only if `instead_of` is still the current one: a newer one may meet a claims challenge."""
        has_room = instead_of is not None or len(self.downstream_tokens) < MAX_TOKENS_PER_SESSION
        if has_room and self.downstream_tokens.get(scopes) is instead_of:
            self.downstream_tokens[scopes] = replace(token, origin=Origin.SESSION)

    def drop(self, scopes: Scopes, refusal: Refusal) -> None:
        """Removes the token that was refused, if it is still the current one."""
        known = self.downstream_tokens.get(scopes)
        if known and known.token == refusal.token:
            self.downstream_tokens.pop(scopes, None)

    def throttle(self, scopes: Scopes, now: float, seconds: float) -> None:
        """Blocks exchanges for these scopes for `seconds`: Entra asked for it.

        A running block is not extended. Otherwise a client that keeps calling would wait forever.
        """
        if now >= (self._not_before or {}).get(scopes, now):
            self._not_before = {**(self._not_before or {}), scopes: now + seconds}

    def check_not_throttled(self, scopes: Scopes, now: float) -> None:
        """Raises Throttled while exchanges for these scopes are blocked."""
        until = (self._not_before or {}).get(scopes, now)
        if now < until:
            raise Throttled(retry_after=math.ceil(until - now), reason="Entra asked this caller to wait")

    def reserve_exchange(self, scopes: Scopes, now: float) -> None:
        """Allows one exchange a minute for these scopes, and notes its time. Call it under a lock.

        So an API that refuses every token does not cost an exchange for each call.

        Raises:
            ExchangedLately: the last allowed exchange was less than a minute ago.
        """
        if now < (self._anew_from or {}).get(scopes, now):
            raise ExchangedLately
        self._anew_from = {**(self._anew_from or {}), scopes: now + ANEW_SECONDS}


class SessionTokens(Protocol):
    """The part of `Sessions` that a request uses. It is a Protocol, because `Sessions` imports this module."""

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken: ...

    def prefetch(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str
    ) -> Callable[[], DownstreamToken] | None: ...


class RequestContext:
    """The caller of one request. Only this object holds the bearer token, and only until `close`.

    Inside its `with` block, no token can be had through the context of another request. So a client that was wrongly
    made once for all requests fails. It never acts as the user of the request that made it.
    """

    _entered: Token[RequestContext | None]

    def __init__(self, sessions: SessionTokens, session: Session, bearer: str, record: RequestRecord) -> None:
        self._sessions, self._session, self.record = sessions, session, record
        self._bearer: str | None = bearer
        self._prefetched: dict[str, Callable[[], DownstreamToken]] = {}  # by the name of the API
        record.user = session.access_token.name_in_log

    def __enter__(self) -> None:
        self._entered = _current.set(self)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._entered)
        self.close()

    def close(self) -> None:
        """Forgets the bearer token. From now on `token_for` raises ApiError."""
        self._bearer = None
        self._prefetched.clear()

    @property
    def access_token(self) -> ValidatedToken:
        return self._session.access_token

    def check(self) -> None:
        """Before a call is sent. Raises ApiError when the request is over, or when another one runs here."""
        self._open_bearer()

    def _open_bearer(self) -> str:
        bearer = self._bearer  # read once: another thread may end the request now
        if bearer is None:
            raise ApiError(reason="the user, credential or client was kept longer than its request")
        if _current.get() not in (None, self):  # None: a thread that a function has started
            raise ApiError(reason="the user, credential or client of another request was used")
        return bearer

    def prefetch(self, api: DownstreamApiSettings) -> None:
        """Starts the exchange for this API in the background. `token_for` raises its error."""
        if self._bearer is not None:
            correlation_id = self.record.correlation_id
            wait = self._sessions.prefetch(self._session, self._bearer, api.scopes, correlation_id=correlation_id)
            if wait is not None:
                self._prefetched[api.name] = wait

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> DownstreamToken:
        """An access token for this API on behalf of the user.

        Raises:
            ExchangedLately: see Sessions.token_for.
            ApiError: the exchange failed, or the context is closed.
        """
        bearer, started = self._open_bearer(), perf_counter()
        try:
            wait = self._prefetched.pop(api.name, None) if refusal is None else None
            token = wait() if wait is not None else self._exchange(bearer, api, refusal)
        except ExchangedLately:
            raise
        except ApiError:
            self.record.token_took(api.name, Origin.ENTRA.value, started)
            raise
        if token.origin is Origin.SESSION:
            self.record.token_was_known(api.name)
        else:
            self.record.token_took(api.name, token.origin.value, started)
        return token

    def _exchange(self, bearer: str, api: DownstreamApiSettings, refusal: Refusal | None) -> DownstreamToken:
        correlation_id = self.record.correlation_id
        return self._sessions.token_for(
            self._session, bearer, api.scopes, correlation_id=correlation_id, refusal=refusal
        )


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)
