"""Connections to Redis that keep to the deadline, and what proves to Redis who connects.

redis-py's time-outs hold for one read each, so an answer that drips would hold a request for as long as it likes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
import redis

from .deadline import seconds_left
from .key_vault import azure_credential
from .settings import RedisSettings
from .single_flight import SingleFlight

FIRST_TOKEN_SECONDS = 0.4
_FETCH = "token for Redis"
_ENTRA_SCOPE = "https://redis.azure.com/.default"
_RENEW_BEFORE_SECONDS = 180.0


class _OneTimeOut(redis.Connection):
    """redis-py gives the time-out to each address that the name has. Here they share it."""

    def _connect(self) -> Any:
        patience: Any = self.socket_connect_timeout  # always set, by _pool
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.socket_connect_timeout = seconds_left(patience) / len(addresses)
        try:
            return super()._connect()  # type: ignore[no-untyped-call]
        finally:
            self.socket_connect_timeout = patience


class PunctualConnection(_OneTimeOut):
    def _connect(self) -> Any:
        return _PunctualSocket(super()._connect())


class PunctualSSLConnection(redis.SSLConnection, _OneTimeOut):
    def _connect(self) -> Any:
        return _PunctualSocket(super()._connect())  # type: ignore[no-untyped-call]


class _PunctualSocket:
    """A socket whose reads get no more than what is left of the deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.sendall, self.settimeout = connection.sendall, connection.settimeout  # what each command needs

    def recv(self, size: int) -> bytes:
        patience = self._socket.gettimeout()
        if not patience:  # it only looks whether there is something
            return self._socket.recv(size)
        left = seconds_left(patience)
        if left >= patience:
            return self._socket.recv(size)
        if left <= 0:
            raise TimeoutError("the deadline is over")
        try:
            self._socket.settimeout(left)
            return self._socket.recv(size)
        finally:
            self._socket.settimeout(patience)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class EntraCredentials(redis.CredentialProvider):
    """The managed identity's object id and token, in place of user and password.

    The token is got beside the requests; only the first one is waited for, a little. redis-entraid would wait without a
    bound, in the request. https://learn.microsoft.com/azure/redis/entra-for-authentication
    """

    def __init__(self, settings: RedisSettings, now: Callable[[], float]) -> None:
        self._client_id, self._now = settings.managed_identity_client_id, now
        self._credentials: tuple[str, str] | None = None
        self._renew_at = self._expires_at = float("-inf")
        self._fetches: SingleFlight[str, None] = SingleFlight()

    def get_credentials(self) -> tuple[str, str]:
        """What `AUTH` takes. Raises redis.AuthenticationError as long as there is no token."""
        if self._now() >= self._renew_at:
            self._fetches.start(_FETCH, self._fetch)
        if self._now() >= self._expires_at:
            with suppress(Exception):  # whatever became of it, there is a token now or there is none
                self._fetches.join(_FETCH, wait=FIRST_TOKEN_SECONDS)
        if self._credentials is None or self._now() >= self._expires_at:
            raise redis.AuthenticationError("no token of the managed identity yet")
        return self._credentials

    def _fetch(self) -> None:
        self._renew_at = self._now() + 1  # no more than one attempt a second
        with azure_credential(self._client_id) as identity:  # a new one: it would remember what is over
            token = identity.get_token(_ENTRA_SCOPE)
        lasts = token.expires_on - self._now()
        name = jwt.decode(token.token, options={"verify_signature": False})["oid"]  # our own token: Redis verifies it
        self._credentials, self._expires_at = (name, token.token), self._now() + lasts
        self._renew_at = self._now() + max(lasts / 2, lasts - _RENEW_BEFORE_SECONDS)
