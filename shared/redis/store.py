"""Redis as a store that may be slow, full, broken or down: waits are short, and requests go on without it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import redis

from ..net import CircuitBreaker, CircuitOpenError, seconds_left
from ..settings import RedisSettings
from .cache_backend import BackendError
from .connection import CONNECT_SECONDS, REPLY_SECONDS, connection_pool, is_pool_exhausted
from .credentials import EntraCredentials, NoTokenYetError
from .scripts import FREE, GET_OR_LOCK, PUT, UNLOCK, Script

SLOW_SECONDS = 0.1  # a reply that takes longer is slow, and counts as a failure
SLOW_UNLESS_QUICK_WITHIN_SECONDS = 1.0  # a slow reply does not count if a quick one came this shortly before
FAILURES = 2  # in a row; then no request waits for Redis for a while
MAX_ENTRY_BYTES = 64 * 1024
FREE_MILLISECONDS = 1000
_LEAST_SECONDS = CONNECT_SECONDS + REPLY_SECONDS  # a request with less time left goes on without Redis


class RedisStore:
    """Named bytes that expire by themselves, and locks on names. The first use connects. Thread-safe."""

    def __init__(self, settings: RedisSettings, now: Callable[[], float]) -> None:
        self._now = now
        self._reading = CircuitBreaker("Redis", now, failures=FAILURES)
        # A Redis that is full or read-only can still be read, so writing has a circuit breaker of its own:
        self._writing = CircuitBreaker("Redis, writing", now, failures=FAILURES)
        self._quick_at = now()
        self._credentials = EntraCredentials(settings, now) if settings.managed_identity_client_id else None
        self._pool: Any = connection_pool(settings.url.reveal(), self._credentials)

    def prepare(self) -> None:
        """Starts to fetch the token for the first connection. Waits for nothing, raises nothing."""
        if self._credentials is not None:
            self._credentials.prepare()

    def get(self, name: str) -> bytes | None:
        """The stored bytes. None if there are none, or if they cannot be an entry of ours. Raises BackendError."""
        try:  # no more of it than an entry may have
            found = self._attempt(self._reading, "GETRANGE", _entry(name), 0, MAX_ENTRY_BYTES)
        except redis.ResponseError:  # another type lies there; the next `put` replaces it
            self._reading.succeeded()
            return None
        return found if isinstance(found, bytes) and 0 < len(found) <= MAX_ENTRY_BYTES else None

    def get_or_lock(self, name: str, seconds: float, unless: bytes = b"") -> tuple[bytes | None, str]:
        """The stored bytes, or the lock; see CacheBackend. Raises BackendError; then there is no lock either."""
        arguments = (MAX_ENTRY_BYTES, unless, secrets.token_hex(16), int(seconds * 1000), FREE)
        match self._write(GET_OR_LOCK, [_entry(name), _lock(name)], *arguments):
            case [bytes(found), bytes(lock)]:
                return found or None, lock.decode("ascii", "replace")
        raise BackendError("not the script's reply")

    def put(self, name: str, content: bytes, seconds: int, lock: str = "") -> None:
        """Stores the bytes, and releases the lock; see CacheBackend. Raises BackendError."""
        self._write(PUT, [_entry(name), _lock(name)], content, seconds, lock)

    def unlock(self, name: str, lock: str) -> None:
        """Releases the lock without storing anything. Raises BackendError."""
        self._free(lambda: self._run(self._reading, UNLOCK, [_lock(name)], lock, FREE, FREE_MILLISECONDS))

    def drop(self, name: str) -> None:
        """Removes the stored bytes. Raises BackendError."""
        self._free(lambda: self._attempt(self._reading, "DEL", _entry(name)))

    def _free(self, attempt: Callable[[], object]) -> None:
        """Runs a command that frees memory. It is tried even if Redis is full."""
        try:
            attempt()
        except redis.ResponseError as error:
            self._reading.succeeded()
            raise BackendError(type(error).__name__) from None

    def _write(self, script: Script, keys: list[str], *arguments: str | bytes | int) -> Any:
        if self._reading.is_open:
            raise BackendError("circuit open")
        try:
            return self._run(self._writing, script, keys, *arguments)
        except redis.ResponseError as error:  # full, or read only
            self._writing.failed(type(error).__name__)
            raise BackendError(type(error).__name__) from None

    def _run(self, circuit: CircuitBreaker, script: Script, keys: list[str], *arguments: str | bytes | int) -> Any:
        try:
            return self._attempt(circuit, "EVALSHA", script.hash, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:  # Redis does not know the script yet; it forgets scripts at a restart
            circuit.undecided()
            return self._attempt(circuit, "EVAL", script.text, len(keys), *keys, *arguments)

    def _attempt(self, circuit: CircuitBreaker, *command: str | bytes | int) -> Any:
        """Redis's reply. Raises BackendError if there is none, redis.ResponseError if Redis refuses the command."""
        if seconds_left(_LEAST_SECONDS) < _LEAST_SECONDS:
            raise BackendError("no time left")
        _check(circuit)
        try:
            reply, seconds = self._send(*command)
        except redis.ResponseError:
            raise
        except Exception as error:  # noqa: BLE001 — redis-py's, azure's and the socket's own kinds: all mean the same here
            kind = type(error).__name__
            if isinstance(error, NoTokenYetError) or is_pool_exhausted(error):
                circuit.undecided()  # that says nothing about Redis
            else:
                circuit.failed(kind)
            raise BackendError(kind) from None
        self._judge(circuit, seconds)
        return reply

    def _judge(self, circuit: CircuitBreaker, seconds: float) -> None:
        """Counts a slow reply as a failure, because slow replies delay every request.

        Just after a quick reply, a slow one does not count: this process itself may be slow.
        """
        now = self._now()
        if seconds <= SLOW_SECONDS:
            self._quick_at = now
        if now - self._quick_at > SLOW_UNLESS_QUICK_WITHIN_SECONDS:
            circuit.failed("slow")
        else:
            circuit.succeeded()

    def _send(self, *command: str | bytes | int) -> tuple[Any, float]:
        """Redis's reply, and how many seconds the reply took, without the time to connect."""
        connection = self._pool.get_connection()
        try:
            sent_at = self._now()
            connection.send_command(*command)
            return connection.read_response(), self._now() - sent_at
        except redis.ReadOnlyError:  # after a failover: the name leads to another server by now
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)


def _entry(name: str) -> str:
    return f"obo:1:{{{name}}}"  # a cluster computes the slot from the part in braces


def _lock(name: str) -> str:
    return _entry(name) + ":lock"


def _check(circuit: CircuitBreaker) -> None:
    try:
        circuit.check()
    except CircuitOpenError:
        raise BackendError("circuit open") from None
