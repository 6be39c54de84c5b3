"""Requests wait once for the managed identity's first token for Redis. No Redis is needed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from shared.redis import credentials as redis_credentials
from shared.redis.credentials import EntraCredentials, NoTokenYetError
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings
from tests.support.clock import Clock


def test_an_identity_that_hangs_is_not_waited_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, response, waits = [], threading.Event(), []

    def hanging(client_id: str) -> Any:
        asked.append(client_id)
        response.wait(60)
        raise OSError("no answer")

    monkeypatch.setattr(redis_credentials, "azure_credential", hanging)
    monkeypatch.setattr(redis_credentials, "FIRST_TOKEN_SECONDS", 0.05)
    clock = Clock()
    credentials = EntraCredentials(RedisSettings(Secret("rediss://cache.example"), "identity"), clock)
    join = credentials._fetches.join

    def noted(key: str, *, wait: float) -> None:
        waits.append(wait)
        join(key, wait=wait)

    monkeypatch.setattr(credentials._fetches, "join", noted)
    for _ in range(4):
        with pytest.raises(NoTokenYetError):
            credentials.get_credentials()
        clock.forward(1.5)  # beyond the pause between two attempts
    response.set()
    assert asked == ["identity"]
    assert waits == [pytest.approx(0.05), 0, 0, 0]
