"""Redis as a place that may be slow, full, wrong or gone at any time: small bounds, a circuit, and never an obstacle.

Imported only where the setting TokenCache__Redis__Url stands.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from .circuit import Circuit
from .deadline import seconds_left, within
from .errors import ServiceUnavailable
from .redis_connection import EntraCredentials, PunctualConnection, PunctualSSLConnection
from .settings import RedisSettings
from .store import StoreError

CONNECT_SECONDS = 0.5  # of the one request that opens a connection
ANSWER_SECONDS = 0.2
FAILURES = 2  # in a row; then nobody waits for Redis for a while
MAX_CONNECTIONS = 32
MAX_ENTRY_BYTES = 64 * 1024
_COMMAND_SECONDS = CONNECT_SECONDS + ANSWER_SECONDS
_PREFIX = "obo:1:"
_UNLOCK = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end"


class RedisStore:
    """Named bytes that end by themselves, and locks on names. Thread-safe; connects when first used."""

    def __init__(self, settings: RedisSettings, now: Callable[[], float]) -> None:
        self._now = now
        self._circuit = Circuit("Redis", now, failures=FAILURES)
        self._writing = Circuit("Redis, writing", now, failures=FAILURES)  # it may be full, and still answer
        self._places: SimpleQueue[None] = SimpleQueue()  # a semaphore, but one in C
        for _ in range(MAX_CONNECTIONS):
            self._places.put(None)
        self._connections = _pool(settings, now)

    def get(self, name: str) -> bytes | None:
        """What was put there; None also for what cannot be an entry of ours. Raises StoreError."""
        try:  # no more of it than an entry may have
            found = self._attempt("GETRANGE", _PREFIX + name, 0, MAX_ENTRY_BYTES)
        except redis.ResponseError:  # another type lies there; the next `put` replaces it
            return None
        return found if isinstance(found, bytes) and 0 < len(found) <= MAX_ENTRY_BYTES else None

    def put(self, name: str, content: bytes, seconds: int) -> None:
        """Keeps it for so long. Raises StoreError."""
        self._write("SET", _PREFIX + name, content, "EX", seconds)

    def drop(self, name: str) -> None:
        """Raises StoreError."""
        self._free("DEL", _PREFIX + name)

    def lock(self, name: str, seconds: float) -> str:
        """Takes the lock, for so long at the most; the value to give it back with, or "" when another one has it.

        Raises:
            StoreError: nobody can have it.
        """
        value = secrets.token_hex(16)
        taken = self._write("SET", f"{_PREFIX}{name}:lock", value, "NX", "PX", int(seconds * 1000))
        return value if taken else ""

    def unlock(self, name: str, value: str) -> None:
        """Gives the lock back, unless it has ended and is another one's by now. Raises StoreError."""
        self._free("EVAL", _UNLOCK, 1, f"{_PREFIX}{name}:lock", value)

    def _free(self, *command: str | bytes | int) -> None:
        """What makes room is tried even when it is full."""
        try:
            self._attempt(*command)
        except redis.ResponseError as error:
            raise StoreError(type(error).__name__) from None

    def _write(self, *command: str | bytes | int) -> Any:
        _admit(self._writing)
        try:
            result = self._attempt(*command)
        except redis.ResponseError as error:  # full, or read only
            self._writing.failed(type(error).__name__)
            raise StoreError(type(error).__name__) from None
        except StoreError:
            self._writing.undecided()
            raise
        self._writing.succeeded()
        return result

    def _attempt(self, *command: str | bytes | int) -> Any:
        """The answer. Raises StoreError when there is none, redis.ResponseError when it is a refusal."""
        try:
            self._places.get(timeout=seconds_left(ANSWER_SECONDS))
        except Empty:
            raise StoreError("all connections are in use") from None
        has_time = seconds_left(_COMMAND_SECONDS) >= _COMMAND_SECONDS
        try:
            _admit(self._circuit)
            with within(_COMMAND_SECONDS, self._now):
                result = self._answer(*command)
        except StoreError:
            raise
        except redis.ResponseError:
            self._circuit.succeeded()
            raise
        except Exception as error:  # noqa: BLE001 — redis-py's, azure's and the socket's own kinds: all mean the same here
            kind = type(error).__name__
            if has_time:
                self._circuit.failed(kind)
            else:  # it is we who were short of time
                self._circuit.undecided()
            raise StoreError(kind) from None
        finally:
            self._places.put(None)
        self._circuit.succeeded()
        return result

    def _answer(self, *command: str | bytes | int) -> Any:
        """As redis.Redis.execute_command, without its retries and telemetry, which cost as much as the sealing."""
        connection = self._connections.get_connection()
        try:
            connection.send_command(*command)  # type: ignore[no-untyped-call]  # redis-py's
            return connection.read_response()
        finally:
            self._connections.release(connection)


def _admit(circuit: Circuit) -> None:
    try:
        circuit.admit()
    except ServiceUnavailable:
        raise StoreError("circuit open") from None


def _pool(settings: RedisSettings, now: Callable[[], float]) -> redis.ConnectionPool:
    url = settings.url.reveal()
    with_identity = (
        {"credential_provider": EntraCredentials(settings, now)} if settings.managed_identity_client_id else {}
    )
    return redis.ConnectionPool.from_url(
        url,
        connection_class=PunctualSSLConnection if urlsplit(url).scheme == "rediss" else PunctualConnection,
        max_connections=MAX_CONNECTIONS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),  # redis-py's default is three more attempts
        protocol=2,  # one round trip less to connect than with 3, and no pushes,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),  # which could relax the time-outs
        driver_info=None,
        **with_identity,
    )
