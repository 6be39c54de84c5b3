"""The Redis of one process responds as the real one does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from maintainers.benchmarks.fleet.dict_store import DictStore
from maintainers.tests.redis.server import WHY_NOT, RedisServer, program
from shared.redis.cache_backend import CacheBackend
from shared.redis.store import RedisStore
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings
from tests.support.clock import Clock

HELD_SECONDS = 60.0
ENTRY_SECONDS = 600


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if program() is None:
        pytest.skip(WHY_NOT)
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def real(server: RedisServer) -> CacheBackend:
    with server.client() as client:
        client.flushall()
    return RedisStore(RedisSettings(Secret(server.url), ""), time.time)


@pytest.fixture(params=["dictionary", "redis-server"])
def store(request: pytest.FixtureRequest) -> CacheBackend:
    if request.param == "dictionary":
        return DictStore(Clock())
    return real(cast(RedisServer, request.getfixturevalue("_server")))


def locked(store: CacheBackend) -> str:
    found, lock = store.get_or_lock("n", HELD_SECONDS)
    assert found is None
    return lock


def test_one_gets_the_lock_and_all_find_what_was_put_under_it(store: CacheBackend) -> None:
    assert store.get("n") is None
    mine = locked(store)
    assert mine
    assert locked(store) == ""
    store.put("n", b"new", ENTRY_SECONDS, mine)
    assert store.get("n") == b"new"
    assert store.get_or_lock("n", HELD_SECONDS) == (b"new", "")


def test_what_will_not_do_is_as_good_as_nothing(store: CacheBackend) -> None:
    store.put("n", b"due", ENTRY_SECONDS)
    found, mine = store.get_or_lock("n", HELD_SECONDS, unless=b"due")
    assert (found, bool(mine)) == (None, True)
    assert store.get_or_lock("n", HELD_SECONDS, unless=b"another") == (b"due", "")
    store.put("n", b"new", ENTRY_SECONDS, mine)
    assert store.get_or_lock("n", HELD_SECONDS, unless=b"due") == (b"new", "")


def test_a_put_ends_the_lock_its_own_or_without_one_any(store: CacheBackend) -> None:
    for lock in (locked(store), ""):
        store.put("n", b"x", ENTRY_SECONDS, lock)
        store.drop("n")
        assert locked(store)


def test_after_an_unlock_everybody_has_the_same_lock_and_the_first_put_ends_it(store: CacheBackend) -> None:
    store.unlock("n", locked(store))
    everybodys = locked(store)
    assert everybodys
    assert locked(store) == everybodys
    store.put("n", b"first", ENTRY_SECONDS, everybodys)
    store.put("n", b"second", ENTRY_SECONDS, everybodys)
    assert store.get("n") == b"first"


def test_nobody_gives_back_or_ends_the_lock_of_another_one(store: CacheBackend) -> None:
    locked(store)
    store.unlock("n", "not its value")
    assert locked(store) == ""
    store.put("n", b"late", ENTRY_SECONDS, "not its value")
    assert store.get("n") == b"late"
    store.put("n", b"later", ENTRY_SECONDS, "not its value")
    assert store.get("n") == b"late"
    store.drop("n")
    assert locked(store) == ""


@pytest.mark.parametrize(
    ("seconds", "end"),
    [
        (HELD_SECONDS, lambda store: locked(store)),
        (1.0, lambda store: store.unlock("n", locked(store))),
    ],
    ids=["held", "given back"],
)
def test_a_lock_ends_by_itself(seconds: float, end: Callable[[CacheBackend], object]) -> None:
    clock = Clock()
    store = DictStore(clock)
    end(store)
    before = locked(store)
    clock.forward(seconds - 0.01)
    assert locked(store) == before
    clock.forward(0.01)
    assert locked(store) not in ("", before)


def test_an_entry_ends_by_itself() -> None:
    clock = Clock()
    store = DictStore(clock)
    store.put("n", b"x", ENTRY_SECONDS)
    clock.forward(ENTRY_SECONDS - 0.01)
    assert store.get("n") == b"x"
    clock.forward(0.01)
    assert store.get("n") is None
