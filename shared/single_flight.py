"""Many threads, one piece of work: who asks for what is already under way waits for that result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

WAIT_SECONDS = 60.0  # beyond every time-out of the work itself; only a bug makes a follower wait this long

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Runs one call per key at a time; its result or error goes to all who asked meanwhile, and is then forgotten.

    No lock is held while the work runs. The work should look first whether it was just done: a thread may arrive in
    the moment after a flight has landed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[K, Future[V]] = {}

    def do(self, key: K, work: Callable[[], V]) -> V:
        """The result of `work`, run by this thread or by the one that was first. Raises what the work raised."""
        with self._lock:
            flight = self._flights.get(key)
            if leading := flight is None:
                flight = self._flights[key] = Future()
        if not leading:
            return flight.result(timeout=WAIT_SECONDS)
        try:
            flight.set_result(work())
        except BaseException as error:  # noqa: BLE001 — not swallowed: result() raises it here and in every follower
            flight.set_exception(error)
        finally:
            with self._lock:
                del self._flights[key]
        return flight.result()
