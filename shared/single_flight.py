"""Many threads, one piece of work: who asks for what is already under way waits for that result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import Generic, TypeVar

from .deadline import seconds_left
from .errors import ServiceUnavailable

WAIT_SECONDS = 40.0  # beyond the time-outs of what is waited for; the request's deadline may be nearer

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

    def do(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """The result of `work`, run by this thread or by the one that was first. Raises what the work raised.

        Raises:
            ServiceUnavailable: another thread is at it and did not finish within `wait` seconds.
        """
        flight, leading = self._board(key)
        if leading:
            self._fly(key, flight, work)
        return _landed(flight, wait)

    def do_beside(self, key: K, work: Callable[[], V]) -> V:
        """As `do`, but in a thread of its own: when this request's time is over, the work goes on for others."""
        return _landed(self.start(key, work), WAIT_SECONDS)

    def start(self, key: K, work: Callable[[], V]) -> Future[V]:
        """Runs `work` in a thread of its own, unless some is under way. Nobody need wait for it."""
        flight, leading = self._board(key)
        if leading:
            name = f"background {key}"
            threading.Thread(target=self._fly, args=(key, flight, work), name=name, daemon=True).start()
        return flight

    def _board(self, key: K) -> tuple[Future[V], bool]:
        """The flight of this key, and whether it is ours to fly."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            return flight, True

    def _fly(self, key: K, flight: Future[V], work: Callable[[], V]) -> None:
        try:
            flight.set_result(work())
        except BaseException as error:  # noqa: BLE001 — not swallowed: result() raises it in all who wait
            flight.set_exception(error)
        finally:
            with self._lock:
                del self._flights[key]


def _landed(flight: Future[V], wait: float) -> V:
    try:
        return flight.result(timeout=seconds_left(wait))
    except WaitedTooLong:
        if flight.done():  # the work's own time-out
            raise
        raise ServiceUnavailable(retry_after=5, reason="waited too long for another thread") from None
