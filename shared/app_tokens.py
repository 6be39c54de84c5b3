"""The tokens of the application itself: one for each API, kept in this process, and renewed before it ends.

These tokens are in no session and in no shared cache, and have a type of their own. So none can be found for a user.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from .errors import ApiError, ServiceUnavailable, Throttled
from .exchange import Refusal
from .exchange.client_credentials import AppToken
from .net import SingleFlight, WaitedTooLongError
from .sessions import EXCHANGE_AGAIN_SECONDS, LAST_USE_SECONDS, RENEW_AGAIN_SECONDS, ExchangedLately
from .settings import DownstreamApiSettings

log = logging.getLogger(__name__)


class AppTokenSource(Protocol):
    """Where the tokens come from: `ClientCredentials`, in services.py."""

    def token(self, scope: str, *, correlation_id: str, refusal: Refusal | None = None) -> AppToken:
        """A token of the application; see ClientCredentials.token."""
        ...


class _Kept:
    """What is known about one API. There are as many of these as APIs in the settings."""

    __slots__ = ("blocked_until", "request_again_at", "token")

    def __init__(self) -> None:
        self.token: AppToken | None = None
        self.blocked_until = self.request_again_at = float("-inf")


class AppTokens:
    """One token for each API. Thread-safe. No lock is held while Entra is asked, and only one thread asks at a time."""

    def __init__(self, source: AppTokenSource, now: Callable[[], float]) -> None:
        self._source, self._now = source, now
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._requests: SingleFlight[tuple[str, bytes], AppToken] = SingleFlight()

    def known(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> AppToken | None:
        """The token at hand. None if it is due for renewal, or is the token that was refused."""
        token = self._of(api).token
        if token is None or (refusal and refusal.token == token.token):
            return None
        return token if self._now() < min(token.renew_at, token.expires_at - LAST_USE_SECONDS) else None

    def token_for(self, api: DownstreamApiSettings, *, correlation_id: str, refusal: Refusal | None = None) -> AppToken:
        """A token of the application for this API. A token due for renewal is still used while a new one is fetched.

        Args:
            refusal: why the API refused an earlier token. After a refusal without claims, another token is requested
                once a minute.

        Raises:
            ExchangedLately: a refusal without claims led to a request less than a minute ago.
            ApiError: see ClientCredentials.token. The next call tries again, unless Entra asked to wait.
        """
        known = self.known(api, refusal)
        if known is not None:
            return known
        key, due = (api.name, refusal.digest() if refusal else b""), self._of(api).token
        if due and refusal is None and self._now() < due.expires_at - LAST_USE_SECONDS:
            self._requests.run_in_background(key, lambda: self._renew(api, due, correlation_id))
            return due
        try:
            return self._requests.do(
                key, lambda: self.known(api, refusal) or self._request(api, refusal, correlation_id)
            )
        except WaitedTooLongError as error:
            raise ServiceUnavailable(reason=str(error)) from None

    def _of(self, api: DownstreamApiSettings) -> _Kept:
        return self._kept.get(api.name) or self._kept.setdefault(api.name, _Kept())

    def _renew(self, api: DownstreamApiSettings, due: AppToken, correlation_id: str) -> AppToken:
        """Returns a new token or, after a failure, the old one, to be renewed later."""
        try:
            return self.known(api) or self._request(api, None, correlation_id)
        except ApiError as error:
            log.warning("a token of the application could not be renewed yet (%s)", error)
            later, kept = replace(due, renew_at=self._now() + RENEW_AGAIN_SECONDS), self._of(api)
            with self._lock:
                if kept.token is due:
                    kept.token = later
            return later

    def _request(self, api: DownstreamApiSettings, refusal: Refusal | None, correlation_id: str) -> AppToken:
        kept = self._of(api)
        self._check(kept, refusal)
        try:
            token = self._source.token(api.scopes[0], correlation_id=correlation_id, refusal=refusal)
        except ApiError as error:
            with self._lock:
                if isinstance(error, Throttled):
                    kept.blocked_until = self._now() + error.retry_after
                if refusal and refusal.is_void and kept.token and kept.token.token == refusal.token:
                    kept.token = None
            raise
        kept.token = token
        return token

    def _check(self, kept: _Kept, refusal: Refusal | None) -> None:
        """Raises Throttled while Entra wants a pause, and ExchangedLately after a refusal less than a minute ago."""
        with self._lock:
            now = self._now()
            if now < kept.blocked_until:
                raise Throttled(retry_after=math.ceil(kept.blocked_until - now), reason="Entra asked the app to wait")
            if refusal and not refusal.claims:
                if now < kept.request_again_at:
                    raise ExchangedLately
                kept.request_again_at = now + EXCHANGE_AGAIN_SECONDS
