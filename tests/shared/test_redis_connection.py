"""Connecting to Redis keeps to one time-out, however many addresses its name has. No Redis is needed for that."""

from __future__ import annotations

import socket
from time import time
from typing import Any

import pytest
import redis

from shared.deadline import within
from shared.environ import Secret
from shared.redis_store import CONNECT_SECONDS, RedisStore
from shared.settings import RedisSettings
from shared.store import StoreError

URLS = ["redis://cache.example:6379", "rediss://cache.example:6380"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each of the four addresses of every name would be waited for; nobody is there."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 0)) for number in range(4)]
    waited: list[float] = []

    def connect(connection: Any) -> socket.socket:
        waited.append(connection.socket_connect_timeout)
        raise TimeoutError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(redis.Connection, "_connect", connect)
    return waited


@pytest.mark.parametrize("url", URLS)
def test_all_addresses_of_its_name_share_one_time_out(url: str, waits: list[float]) -> None:
    store = RedisStore(RedisSettings(Secret(url), ""), time)
    for _ in range(2):
        with pytest.raises(StoreError):
            store.get("name")
    assert waits == [CONNECT_SECONDS / 4] * 2


@pytest.mark.parametrize("url", URLS)
def test_connecting_keeps_to_the_deadline(url: str, waits: list[float]) -> None:
    with within(0.2, lambda: 0.0), pytest.raises(StoreError):
        RedisStore(RedisSettings(Secret(url), ""), lambda: 0.0).get("name")
    assert waits == [pytest.approx(0.05)]
