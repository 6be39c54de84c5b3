"""Connections to Redis that keep to the deadline, all that it takes to open them included.

redis-py's time-outs hold for one read each, so an answer that drips would hold a request for as long as it likes.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ..errors import ServiceUnavailable
from ..net import SingleFlight, seconds_left

CONNECT_SECONDS = 0.5  # of the one request that opens a connection
ANSWER_SECONDS = 0.2
MAX_CONNECTIONS = 32

T = TypeVar("T")

_names: SingleFlight[str, list[str]] = SingleFlight()


class _OneTimeOut(redis.Connection):
    """redis-py gives the time-out to each address that the name has, and none to the name. Here all share it."""

    def _connect(self) -> Any:
        name, patience = self.host, self.socket_connect_timeout
        end = time.monotonic() + seconds_left(patience or 0.0)
        addresses = _addresses(name, end - time.monotonic())
        try:
            while True:
                self.host = addresses.pop(0)
                self.socket_connect_timeout = max(0.0, end - time.monotonic()) / (1 + len(addresses))
                try:
                    return super()._connect()  # type: ignore[no-untyped-call]
                except OSError:
                    if not addresses:
                        raise
        finally:
            self.host, self.socket_connect_timeout = name, patience


def _addresses(name: str, seconds: float) -> list[str]:
    """Those that the name has. Raises OSError, also when no answer comes in time: the platform waits for longer."""

    def resolve() -> list[str]:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    try:
        return list(_names.wait_in_background(name, resolve, wait=seconds))
    except ServiceUnavailable:
        raise TimeoutError("no address in time") from None


class PunctualConnection(_OneTimeOut):
    def _connect(self) -> Any:
        return _PunctualSocket(super()._connect())


class PunctualSSLConnection(redis.SSLConnection, _OneTimeOut):
    """With one context for all: redis-py makes one for each connection, which takes longer than the handshake."""

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    def _connect(self) -> Any:
        return _PunctualSocket(super()._connect())  # type: ignore[no-untyped-call]

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return self._tls.wrap_socket(sock, server_hostname=self.host)


class _PunctualSocket:
    """A socket whose reads get no more than what is left of the deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.sendall, self.settimeout = connection.sendall, connection.settimeout  # what each command needs

    def recv(self, size: int) -> bytes:
        return self._in_time(self._socket.recv, size)

    def recv_into(self, *arguments: Any) -> int:
        """What redis-py reads with when there is hiredis."""
        return self._in_time(self._socket.recv_into, *arguments)

    def _in_time(self, read: Callable[..., T], *arguments: Any) -> T:
        patience = self._socket.gettimeout()
        if not patience:  # it only looks whether there is something
            return read(*arguments)
        left = seconds_left(patience)
        if left >= patience:
            return read(*arguments)
        if left <= 0:
            raise TimeoutError("the deadline is over")
        try:
            self._socket.settimeout(left)
            return read(*arguments)
        finally:
            self._socket.settimeout(patience)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Connections:
    """Those of one instance, at most MAX_CONNECTIONS; who takes them sees to that. Thread-safe.

    The one used last is taken first, checked as redis-py's pool does it; but that counts and reports each step, which
    would take a sixth of a look-up.
    """

    def __init__(self, url: str, credentials: redis.CredentialProvider | None) -> None:
        """None is opened yet. `url` is redis:// or rediss://."""
        self._pool, self._idle = _pool(url, credentials), list[Any]()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A connection that is open and has nothing left to read. Raises redis.RedisError, OSError."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            connection.connect()
            if _is_spoilt(connection):
                connection.disconnect()
                connection.connect()
            yield connection
        finally:
            self._idle.append(connection)


def _is_spoilt(connection: Any) -> bool:
    """Whether the other side has ended it, or something lies there that nobody waits for."""
    try:
        return bool(connection.can_read())
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True


def _pool(url: str, credentials: redis.CredentialProvider | None) -> redis.ConnectionPool:
    kind: dict[str, Any] = {"connection_class": PunctualConnection}
    if urlsplit(url).scheme == "rediss":
        kind = {"connection_class": PunctualSSLConnection, "tls": ssl.create_default_context()}
    return redis.ConnectionPool.from_url(
        url,
        **kind,
        credential_provider=credentials,
        max_connections=MAX_CONNECTIONS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),  # redis-py's default is three more attempts
        protocol=2,  # one round trip less to connect than with 3, and no pushes,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),  # which could relax the time-outs
        driver_info=None,
    )
