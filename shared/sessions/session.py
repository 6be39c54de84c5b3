"""The session of one bearer token, with every token exchanged for it, and one request's hold on that session."""

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
from ..validation import AccessToken

MAX_TOKENS_PER_SESSION = 16
ANEW_SECONDS = 60.0  # between two exchanges because an API refused a token and did not say what it misses
_SESSION_BYTES = 850
_TOKEN_BYTES = 350

Scopes = tuple[str, ...]


class ExchangedLately(ApiError):  # noqa: N818 — not a failure, but a reason to keep the API's response
    """A token that was refused is not exchanged anew: that was done less than a minute ago."""


class Session:
    """What is known about one bearer token. Lives at most as long as that token."""

    __slots__ = ("_anew_from", "_not_before", "access_token", "digest", "downstream_tokens")

    def __init__(self, digest: bytes, access_token: AccessToken) -> None:
        self.digest, self.access_token = digest, access_token
        self.downstream_tokens: dict[Scopes, DownstreamToken] = {}
        self._not_before: dict[Scopes, float] | None = None  # rarely needed, so not made for every session
        self._anew_from: dict[Scopes, float] | None = None  # also rarely needed

    def size(self) -> int:
        """Bytes in memory, nearly: what does not depend on the tokens was measured."""
        tokens = sum(_TOKEN_BYTES + len(token.token) for token in list(self.downstream_tokens.values()))
        return _SESSION_BYTES + len(self.access_token.payload) + tokens

    def keep(self, scopes: Scopes, token: DownstreamToken, *, instead_of: DownstreamToken | None) -> None:
        """Keeps the token, unless another than `instead_of` has come meanwhile: it may have met a claims challenge."""
        is_room = instead_of is not None or len(self.downstream_tokens) < MAX_TOKENS_PER_SESSION
        if is_room and self.downstream_tokens.get(scopes) is instead_of:
            self.downstream_tokens[scopes] = replace(token, origin=Origin.SESSION)

    def drop(self, scopes: Scopes, refusal: Refusal) -> None:
        """Forgets the token that was refused."""
        known = self.downstream_tokens.get(scopes)
        if known and known.token == refusal.token:
            self.downstream_tokens.pop(scopes, None)

    def throttle(self, scopes: Scopes, now: float, seconds: float) -> None:
        """Entra wants no exchange of this very token for these scopes for so long.

        While that runs it is not made longer: a client that asks again all the time would wait for ever.
        """
        if now >= (self._not_before or {}).get(scopes, now):
            self._not_before = {**(self._not_before or {}), scopes: now + seconds}

    def check_not_throttled(self, scopes: Scopes, now: float) -> None:
        """Raises Throttled while Entra wants to be left alone."""
        until = (self._not_before or {}).get(scopes, now)
        if now < until:
            raise Throttled(retry_after=math.ceil(until - now), reason="Entra asked this caller to wait")

    def check_not_exchanged_lately(self, scopes: Scopes, now: float) -> None:
        """Raises ExchangedLately, or the next call within a minute does. For one thread at a time.

        So an API that refuses every token does not cost an exchange for each call.
        """
        if now < (self._anew_from or {}).get(scopes, now):
            raise ExchangedLately
        self._anew_from = {**(self._anew_from or {}), scopes: now + ANEW_SECONDS}


class SessionTokens(Protocol):
    """What brings the tokens of sessions: see Sessions."""

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken: ...

    def prefetch(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str
    ) -> Callable[[], DownstreamToken] | None: ...


class RequestContext:
    """Who calls. The bearer token is kept here alone, and until `close`, so no longer than the request.

    Within `with`, what runs is this request: it gets no token through the context of another one. So a client that was
    wrongly made for all requests does not act as its first user either while that user's request still runs.
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
        """Ends the hold: from now on there is no token for anything that still has this context."""
        self._bearer = None
        self._prefetched.clear()

    @property
    def access_token(self) -> AccessToken:
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
        """Starts the exchange for this API in the background. Whether it fails shows when its token is needed."""
        if self._bearer is not None:
            correlation_id = self.record.correlation_id
            wait = self._sessions.prefetch(self._session, self._bearer, api.scopes, correlation_id=correlation_id)
            if wait is not None:
                self._prefetched[api.name] = wait

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> DownstreamToken:
        """An access token for this API on behalf of the user.

        Raises:
            ExchangedLately: see Sessions.token_for.
            ApiError: it cannot be had, or the context is closed.
        """
        bearer, started = self._open_bearer(), perf_counter()
        try:
            wait = self._prefetched.pop(api.name, None) if refusal is None else None
            token = wait() if wait is not None else self._exchanged(bearer, api, refusal)
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

    def _exchanged(self, bearer: str, api: DownstreamApiSettings, refusal: Refusal | None) -> DownstreamToken:
        correlation_id = self.record.correlation_id
        return self._sessions.token_for(
            self._session, bearer, api.scopes, correlation_id=correlation_id, refusal=refusal
        )


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)
