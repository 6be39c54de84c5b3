"""Redis as a place that may be slow, full, wrong or gone at any time: small bounds, a circuit, and never an obstacle.

Imported only where the setting TokenCache__Redis__Url stands.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .circuit import Circuit
from .errors import ServiceUnavailable
from .settings import RedisSettings
from .store import StoreError

CONNECT_SECONDS = 0.5  # of the one request that opens a connection
ANSWER_SECONDS = 0.2
FAILURES = 2  # in a row; then nobody waits for Redis for a while
MAX_CONNECTIONS = 32
MAX_ENTRY_BYTES = 64 * 1024
_PREFIX = "obo:1:"
_ENTRA_RESOURCE = "https://redis.azure.com/"
_UNLOCK = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end"


class RedisStore:
    """Named bytes that end by themselves, and locks on names. Thread-safe; connects when first used."""

    def __init__(self, settings: RedisSettings, now: Callable[[], float]) -> None:
        self._circuit = Circuit("Redis", now, failures=FAILURES)
        pool = redis.BlockingConnectionPool.from_url(
            settings.url.reveal(),
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),  # redis-py's default is three more attempts
            **_credentials(settings),
        )
        self._redis = redis.Redis.from_pool(pool)

    def get(self, name: str) -> bytes | None:
        """What was put there. Raises StoreError."""
        found = self._attempt(lambda: self._redis.get(_PREFIX + name))
        return found if isinstance(found, bytes) and len(found) <= MAX_ENTRY_BYTES else None

    def put(self, name: str, content: bytes, seconds: int) -> None:
        """Keeps it for so long. Raises StoreError."""
        self._attempt(lambda: self._redis.set(_PREFIX + name, content, ex=seconds))

    def drop(self, name: str) -> None:
        """Raises StoreError."""
        self._attempt(lambda: self._redis.delete(_PREFIX + name))

    def lock(self, name: str, seconds: float) -> str:
        """Takes the lock, for so long at the most; the value to give it back with, or "" when another one has it.

        Raises:
            StoreError: nobody can have it.
        """
        value = secrets.token_hex(16)
        key, milliseconds = f"{_PREFIX}{name}:lock", int(seconds * 1000)
        taken = self._attempt(lambda: self._redis.set(key, value, nx=True, px=milliseconds))
        return value if taken else ""

    def unlock(self, name: str, value: str) -> None:
        """Gives the lock back, unless it has ended and is another one's by now. Raises StoreError."""
        self._attempt(lambda: self._redis.eval(_UNLOCK, 1, f"{_PREFIX}{name}:lock", value))

    def _attempt(self, command: Callable[[], Any]) -> Any:
        try:
            self._circuit.admit()
        except ServiceUnavailable:
            raise StoreError("circuit open") from None
        try:
            result = command()
        except Exception as error:  # noqa: BLE001 — redis-py's, azure's and the socket's own kinds: all mean the same here
            self._circuit.failed()
            raise StoreError(type(error).__name__) from None
        self._circuit.succeeded()
        return result


def _credentials(settings: RedisSettings) -> dict[str, Any]:
    """With an identity: its token instead of a password, renewed in time."""
    if not settings.managed_identity_client_id:
        return {}
    from redis_entraid.cred_provider import create_from_managed_identity
    from redis_entraid.identity_provider import ManagedIdentityIdType, ManagedIdentityType

    provider = create_from_managed_identity(
        identity_type=ManagedIdentityType.USER_ASSIGNED,
        resource=_ENTRA_RESOURCE,
        id_type=ManagedIdentityIdType.CLIENT_ID,
        id_value=settings.managed_identity_client_id,
    )
    return {"credential_provider": provider}
