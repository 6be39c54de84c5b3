"""The pool of connections to Redis: short timeouts, strict TLS, and no wait that a request has no time for."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import pytest
import redis

from shared.net.deadline import within
from shared.redis.cache_backend import BackendError
from shared.redis.connection import CONNECT_SECONDS, MAX_CONNECTIONS, REPLY_SECONDS, connection_pool
from shared.redis.store import RedisStore
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings
from tests.support.clock import Clock

URLS = ["redis://cache.example:6379", "rediss://cache.example:6380"]


def store_at(url: str) -> RedisStore:
    return RedisStore(RedisSettings(Secret(url), ""), Clock())


@pytest.mark.parametrize("url", URLS)
def test_every_wait_has_a_bound(url: str) -> None:
    pool: Any = connection_pool(url, None)
    connection = pool.make_connection()
    assert (connection.socket_connect_timeout, connection.socket_timeout) == (CONNECT_SECONDS, REPLY_SECONDS)
    assert connection.retry.get_retries() == 0


def test_tls_checks_certificate_and_host() -> None:
    pool: Any = connection_pool(URLS[1], None)
    connection = pool.make_connection()
    assert isinstance(connection, redis.SSLConnection)
    assert (connection.cert_reqs, connection.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("left", [0.0, CONNECT_SECONDS + REPLY_SECONDS - 0.01])
def test_a_request_without_time_does_not_connect(left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.Connection, "connect", lambda _: pytest.fail("connected"))
    store = store_at(URLS[0])
    for _ in range(5):  # and the circuit stays closed
        with within(left, lambda: 0.0), pytest.raises(BackendError, match="no time left"):
            store.get("name")


def test_a_pool_whose_connections_are_all_in_use_says_nothing_about_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.redis.connection.POOL_SECONDS", 0.01)
    held, release = threading.Semaphore(0), threading.Event()

    def hold(_: object, *__: object, **___: object) -> None:
        held.release()
        release.wait(30)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(redis.Connection, "connect", hold)
    store = store_at(URLS[0])

    def get() -> None:
        with pytest.raises(BackendError):
            store.get("name")

    threads = [threading.Thread(target=get) for _ in range(MAX_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.acquire(timeout=30)
    for _ in range(5):
        with pytest.raises(BackendError, match="ConnectionError"):
            store.get("name")
    release.set()
    for thread in threads:
        thread.join(30)
