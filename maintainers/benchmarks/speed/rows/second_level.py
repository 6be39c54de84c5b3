"""The shared cache, with what seals and opens its entries, against redis-py by itself on the same server."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import time

import redis

from maintainers.tests.redis.server import WHY_NOT, RedisServer, program
from shared.redis.sealed import Seal
from shared.redis.store import RedisStore
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings

from ..population import SCOPES, TOKEN_CHARS
from ..result import Result, compared
from ..rounds import WALL, in_turns
from . import Skipped

_SECONDS = 3600


def measure(quick: bool) -> Iterator[Result]:
    """A 2 KB caller's token and a 2 KB downstream token; the key is derived each time, as for a request."""
    if program() is None:
        raise Skipped(WHY_NOT)
    bearer, binding = os.urandom(1000).hex(), json.dumps(["tenant", "client", *SCOPES]).encode()
    content = json.dumps({"token": "t" * TOKEN_CHARS, "expires_at": time(), "renew_at": time()}).encode()
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder)) as server,
        redis.Redis.from_url(server.url) as plain,
    ):
        store = RedisStore(RedisSettings(Secret(server.url), ""), time)
        seal = Seal.of(bearer, binding)

        def put() -> None:
            mine = Seal.of(bearer, binding)
            store.put(mine.name, mine.close(content), _SECONDS)

        def get() -> object:
            mine = Seal.of(bearer, binding)
            return mine.open(store.get(mine.name) or b"")

        calls = {
            "put": put,
            "get": get,
            "plain put": lambda: plain.set("plain", content, ex=_SECONDS),
            "plain get": lambda: plain.get("plain"),
            "crypto": lambda: Seal.of(bearer, binding).open(seal.close(content)),
        }
        put()
        taken = in_turns(calls, 3 if quick else 41, quick, WALL)
    note = f"key, seal and open without Redis: {sorted(taken['crypto'])[len(taken['crypto']) // 2] * 1e6:.0f} µs"
    yield compared("redis-get", "time", taken["get"], taken["plain get"], note=note)
    yield compared("redis-put", "time", taken["put"], taken["plain put"])
