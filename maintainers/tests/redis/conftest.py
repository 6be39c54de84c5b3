"""The servers: one that all tests share, emptied before each, and a proxy to it that can fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clock import Clock

from .server import WHY_NOT, RedisServer, program
from .tap import Tap


def _running(folders: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if program() is None:
        pytest.skip(WHY_NOT)
    with RedisServer(folders.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from _running(tmp_path_factory)


@pytest.fixture
def server(_server: RedisServer) -> RedisServer:
    """Redis, empty."""
    with _server.client() as client:
        client.flushall()
    return _server


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of this test's own, which may be killed, filled or misconfigured."""
    yield from _running(tmp_path_factory)


@pytest.fixture
def tap(server: RedisServer) -> Iterator[Tap]:
    """A proxy to Redis that a test can make fail."""
    tap = Tap(server.port)
    yield tap
    tap.stop()


@pytest.fixture
def clock() -> Clock:
    """Stands still: the tests count attempts, not seconds."""
    return Clock()
