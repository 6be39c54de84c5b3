"""Connecting to Redis keeps to one time-out, the name and all its addresses included. No Redis is needed for that."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from time import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from shared.net.deadline import within
from shared.redis import connection as redis_connection
from shared.redis.cache_backend import BackendError
from shared.redis.connection import CONNECT_SECONDS, Connections
from shared.redis.store import RedisStore
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings

URLS = ["redis://cache.example:6379", "rediss://cache.example:6380"]


ADDRESSES = [f"192.0.2.{number}" for number in range(4)]


def redis_at(url: str, now: Callable[[], float] = time) -> RedisStore:
    return RedisStore(RedisSettings(Secret(url), ""), now)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """For which address how long would be waited; every name has all of them, and nobody is there."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ADDRESSES]
    waited: list[tuple[str, float]] = []

    def connect(connection: Any) -> socket.socket:
        waited.append((connection.host, connection.socket_connect_timeout))
        raise TimeoutError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(redis.Connection, "_connect", connect)
    return waited


@pytest.mark.parametrize("url", URLS)
def test_all_addresses_of_its_name_share_one_time_out(url: str, waits: list[tuple[str, float]]) -> None:
    store = redis_at(url)
    for _ in range(2):
        with pytest.raises(BackendError):
            store.get("name")
    assert [address for address, _ in waits] == ADDRESSES * 2
    for first in (0, 4):
        assert CONNECT_SECONDS / 8 < waits[first][1] <= CONNECT_SECONDS / 4
        assert max(seconds for _, seconds in waits[first : first + 4]) <= CONNECT_SECONDS


@pytest.mark.parametrize("url", URLS)
def test_connecting_keeps_to_the_deadline(url: str, waits: list[tuple[str, float]]) -> None:
    with within(0.2, lambda: 0.0), pytest.raises(BackendError):
        redis_at(url, lambda: 0.0).get("name")
    assert max(seconds for _, seconds in waits) <= 0.2


@pytest.mark.parametrize("url", URLS)
def test_a_name_server_that_does_not_answer_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform would wait for ten seconds and more. The name is asked for once, whoever waits for it."""
    asked, answer = [], threading.Event()

    def mute(*name: object, **_: object) -> list[object]:
        asked.append(name)
        answer.wait(60)
        return []

    monkeypatch.setattr(redis_connection, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", mute)
    store = redis_at(url.replace("cache", "mute-" + urlsplit(url).scheme))
    for kind in ["TimeoutError"] * 2 + ["circuit open"]:
        with pytest.raises(BackendError, match=kind):
            store.get("name")
    assert len(asked) == 1
    answer.set()


def test_tls_is_strict_and_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def noted() -> ssl.SSLContext:
        made.append(create())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", noted)
    pool = Connections(URLS[1], None)._pool
    for _ in range(2):
        connection: Any = pool.make_connection()
        assert connection._tls is made[0]
    assert (len(made), made[0].check_hostname, made[0].verify_mode) == (1, True, ssl.CERT_REQUIRED)
