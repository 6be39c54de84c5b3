"""The credential for Redis: a token of the managed identity in place of a password."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import jwt
import redis

from ..exchange import azure_credential
from ..net import SingleFlight, WaitedTooLongError
from ..settings import RedisSettings

FIRST_TOKEN_SECONDS = 1.0  # at most, from when it is first fetched; after that no request waits for it
_FETCH = "token for Redis"
_ENTRA_SCOPE = "https://redis.azure.com/.default"
_RENEW_BEFORE_SECONDS = 180.0


class NoTokenYetError(redis.AuthenticationError):
    """The managed identity's token has not arrived yet. That says nothing about Redis."""


class EntraCredentials(redis.CredentialProvider):
    """The managed identity's object id and token, in place of user and password.

    The token is fetched in the background while the app is loaded. A request that needs it earlier waits a little.
    redis-entraid would wait without a bound, in the request.
    https://learn.microsoft.com/azure/redis/entra-for-authentication
    """

    def __init__(self, settings: RedisSettings, now: Callable[[], float]) -> None:
        self._client_id, self._now = settings.managed_identity_client_id, now
        self._credentials: tuple[str, str] | None = None
        self._renew_at = self._expires_at = self._wait_until = float("-inf")
        self._fetch: Future[None] | None = None
        self._fetches: SingleFlight[str, None] = SingleFlight()

    def prepare(self) -> None:
        """Starts to fetch the token if it is due. Waits for nothing, raises nothing."""
        is_under_way = self._fetch is not None and not self._fetch.done()
        if not is_under_way and self._now() >= self._renew_at:
            self._renew_at = self._now() + 1  # no more than one attempt a second
            self._wait_until = self._now() + FIRST_TOKEN_SECONDS
            self._fetch = self._fetches.run_in_background(_FETCH, self._fetch_token)

    def get_credentials(self) -> tuple[str, str]:
        """User and password for `AUTH`. Raises redis.AuthenticationError without a token, at first NoTokenYetError."""
        self.prepare()
        if self._now() >= self._expires_at:
            try:
                self._fetches.join(_FETCH, wait=max(0.0, self._wait_until - self._now()))
            except WaitedTooLongError:
                raise NoTokenYetError("the managed identity's token is on its way") from None
            except Exception as error:  # noqa: BLE001 — azure-identity's kinds: there is no token, and no more to say
                raise redis.AuthenticationError(f"no token of the managed identity ({type(error).__name__})") from None
        if self._credentials is None or self._now() >= self._expires_at:
            raise redis.AuthenticationError("no token of the managed identity")
        return self._credentials

    def _fetch_token(self) -> None:
        with azure_credential(self._client_id) as identity:  # a new one: it would remember what is over
            token = identity.get_token(_ENTRA_SCOPE)
        lasts = token.expires_on - self._now()
        name = jwt.decode(token.token, options={"verify_signature": False})["oid"]  # our own token: Redis verifies it
        self._credentials, self._expires_at = (name, token.token), self._now() + lasts
        self._renew_at = self._now() + max(lasts / 2, lasts - _RENEW_BEFORE_SECONDS)
