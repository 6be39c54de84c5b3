"""One process of the fleet, for test_processes.py: reads its settings, waits for the start signal, gets one token."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from types import SimpleNamespace

from msal.oauth2cli import assertion

from shared.redis import cache as distributed_cache
from shared.redis import connection as redis_connection
from shared.redis import store as redis_store
from shared.services import Services
from shared.settings.settings import Settings


def main() -> None:
    task = json.loads(sys.stdin.readline())
    ahead: float = task["ahead"]
    if task["patient"]:  # what is counted are exchanges; a machine that is too busy for 0.2 s must not add any
        redis_connection.REPLY_SECONDS = redis_connection.CONNECT_SECONDS = 20.0
        redis_connection.POOL_SECONDS = redis_store.SLOW_SECONDS = 20.0
        distributed_cache.LOCK_SECONDS = distributed_cache.WAIT_SECONDS = 60.0

    def now() -> float:
        return time.time() + ahead

    assertion.time = SimpleNamespace(time=now)  # as tests.support.clock.date_client_assertions
    services = Services(Settings.from_environ(task["environ"]), now=now)
    session = services.sessions.open(task["bearer"])
    services.entra.of(services.settings.authority)._clients.get()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    scopes = services.settings.downstream_apis["graph"].scopes
    token = services.sessions.token_for(session, task["bearer"], scopes, correlation_id=task["id"])
    print(hashlib.sha256(token.token.encode()).hexdigest(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
