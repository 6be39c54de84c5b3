"""Calls that begin at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")


def at_once(count: int, call: Callable[[], T], ready: Callable[[], None] | None = None) -> list[T]:
    """The results of `count` calls that begin at the same moment, in as many threads.

    `ready` is called when all threads are there, before the calls begin.
    """
    start = Barrier(count, ready)

    def run(_: int) -> T:
        start.wait(30)
        return call()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
