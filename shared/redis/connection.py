"""The connections to Redis of one instance: redis-py's own pool, with short timeouts and no retries.

https://redis.readthedocs.io/en/stable/connections.html#redis.connection.BlockingConnectionPool
"""

from __future__ import annotations

from queue import Empty

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

CONNECT_SECONDS = 0.5  # to each address of the name
REPLY_SECONDS = 0.2  # of silence
POOL_SECONDS = 0.2  # to wait for one of the connections when all are in use
MAX_CONNECTIONS = 32


def connection_pool(url: str, credentials: redis.CredentialProvider | None) -> redis.BlockingConnectionPool:
    """A pool that has opened no connection yet. Thread-safe. `url` is redis:// or rediss://, which checks the host."""
    return redis.BlockingConnectionPool.from_url(
        url,
        credential_provider=credentials,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=REPLY_SECONDS,
        retry=Retry(NoBackoff(), 0),  # redis-py's default is three more attempts
        protocol=2,  # one round trip less to connect than with 3, and no pushes,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),  # which could relax the timeouts
        driver_info=None,
    )


def is_pool_exhausted(error: Exception) -> bool:
    """Whether all connections were in use. redis-py has no exception of its own for that."""
    return isinstance(error, redis.ConnectionError) and isinstance(error.__context__, Empty)
