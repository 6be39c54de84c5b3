"""The session per bearer token: who the user is, validated once, and every token exchanged for them.

Found by the SHA-256 of the bearer token, never by user: after step-up the same user holds another token, and what was
exchanged for the first must not answer for the second. The bearer token itself is not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .access_token import AccessToken
from .errors import ServiceUnavailable
from .expiring_lru import ExpiringLru
from .on_behalf_of import DownstreamToken
from .signing_keys import SigningKey
from .single_flight import SingleFlight

MAX_SESSIONS = 10_000
MAX_TOKENS_PER_SESSION = 16
_LAST_USE_SECONDS = 30.0  # a downstream token must outlive the call it is used for

Scopes = tuple[str, ...]


class Validator(Protocol):
    def validate(self, token: str) -> AccessToken: ...


class KeyCheck(Protocol):
    def still_valid(self, key_id: str, key: SigningKey) -> bool: ...


class Exchanger(Protocol):
    def exchange(
        self, assertion: str, scopes: Scopes, *, claims: str | None, correlation_id: str
    ) -> DownstreamToken: ...


@dataclass(frozen=True, repr=False)
class Refusal:
    """A downstream API refused `token` and asks for `claims` (JSON text): the next exchange must carry them."""

    token: str
    claims: str


class Session:
    """What is known about one bearer token. Lives at most as long as that token."""

    __slots__ = ("access_token", "digest", "downstream_tokens")

    def __init__(self, digest: bytes, access_token: AccessToken) -> None:
        self.digest, self.access_token = digest, access_token
        self.downstream_tokens: dict[Scopes, DownstreamToken] = {}


class Caller:
    """One request's hold on its session. The bearer token itself is kept here alone, so no longer than the request."""

    def __init__(self, sessions: Sessions, session: Session, bearer: str, correlation_id: str) -> None:
        self._sessions, self._session, self._bearer = sessions, session, bearer
        self.access_token, self.correlation_id = session.access_token, correlation_id

    def token_for(self, scopes: Scopes, refusal: Refusal | None = None) -> str:
        """An access token for these scopes on behalf of the user. Raises ApiError."""
        return self._sessions.token_for(
            self._session, self._bearer, scopes, correlation_id=self.correlation_id, refusal=refusal
        )


class Sessions:
    """A bounded, thread-safe cache of sessions. No lock is held while Entra is asked."""

    def __init__(
        self,
        validator: Validator,
        keys: KeyCheck,
        exchanger: Exchanger,
        now: Callable[[], float],
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self._validator, self._keys, self._exchanger, self._now = validator, keys, exchanger, now
        self._sessions: ExpiringLru[bytes, Session] = ExpiringLru(max_sessions, now)
        self._flights: SingleFlight[tuple[bytes, Scopes, str | None], DownstreamToken] = SingleFlight()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, bearer: str) -> Session | None:
        """The session of a token that was validated before and still holds. Waits for nothing."""
        digest = _digest(bearer)
        session = self._sessions.get(digest)
        if session is None:
            return None
        token = session.access_token
        if self._keys.still_valid(token.key_id, token.key):
            return session
        self._sessions.remove(digest)  # its signing key was withdrawn
        return None

    def open(self, bearer: str) -> Session:
        """The session of this token, validating it if it is new. Raises what AccessTokenValidator.validate raises."""
        session = self.find(bearer)
        if session is None:
            token, digest = self._validator.validate(bearer), _digest(bearer)
            session = self._sessions.put(digest, Session(digest, token), token.expires_at)
        return session

    def token_for(
        self, session: Session, bearer: str, scopes: Scopes, *, correlation_id: str, refusal: Refusal | None = None
    ) -> str:
        """An access token for these scopes on behalf of the session's user; at most one exchange at a time for them.

        Raises:
            ApiError: the exchange failed; the failure is not kept, the next call tries again.
        """
        token = self._known_token(session, scopes, refusal)
        if token is None:
            claims = refusal.claims if refusal else None
            flight = (session.digest, scopes, claims)
            token = self._flights.do(
                flight,
                lambda: (
                    self._known_token(session, scopes, refusal)
                    or self._exchange(session, bearer, scopes, claims, correlation_id)
                ),
            )
        return token.token

    def _known_token(self, session: Session, scopes: Scopes, refusal: Refusal | None) -> DownstreamToken | None:
        token = session.downstream_tokens.get(scopes)
        if token is None or self._now() >= token.renew_at or (refusal and refusal.token == token.token):
            return None
        return token

    def _exchange(
        self, session: Session, bearer: str, scopes: Scopes, claims: str | None, correlation_id: str
    ) -> DownstreamToken:
        known, started = session.downstream_tokens.get(scopes), self._now()
        try:
            token = self._exchanger.exchange(bearer, scopes, claims=claims, correlation_id=correlation_id)
        except ServiceUnavailable:
            if known is None or claims or started >= known.expires_at - _LAST_USE_SECONDS:
                raise
            return known  # due for renewal, but still good while Entra is down
        if known or len(session.downstream_tokens) < MAX_TOKENS_PER_SESSION:
            session.downstream_tokens[scopes] = token
        return token


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode("utf-8", "surrogateescape")).digest()
