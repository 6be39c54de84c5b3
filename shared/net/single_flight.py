"""Many threads, one piece of work: a thread that asks for work under way waits for its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from .deadline import seconds_left

WAIT_SECONDS = 40.0  # beyond the time-outs of what is waited for; the request's deadline may be nearer
MAX_BACKGROUND = 16  # threads in the background

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WaitedTooLongError(Exception):
    """Another thread does the work, and did not finish in time."""

    def __init__(self) -> None:
        super().__init__("waited too long for another thread")


class SingleFlight(Generic[K, V]):
    """Runs one call per key at a time; all threads that asked meanwhile get its result or error. Nothing is kept.

    No lock is held while the work runs. The work should look first whether it was just done: a thread may arrive in
    the moment after a flight has landed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[K, Future[V]] = {}
        self._threads = threading.BoundedSemaphore(MAX_BACKGROUND)

    def do(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """The result of `work`, run by this thread or by the one that was first. Raises what the work raised.

        Raises:
            WaitedTooLongError: another thread is at it and did not finish within `wait` seconds.
        """
        flight, leading = self._board(key)
        if leading:
            self._fly(key, flight, work)
        return landed(flight, wait=wait)

    def wait_in_background(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """As `do`, but the work runs in the background: when this request's time is over, it goes on for others."""
        flight = self.run_in_background(key, work)
        return self.do(key, work, wait=wait) if flight is None else landed(flight, wait=wait)

    def join(self, key: K, *, wait: float = WAIT_SECONDS) -> None:
        """Waits for what is under way, if anything is. Raises what the work raised, or WaitedTooLongError."""
        with self._lock:
            flight = self._flights.get(key)
        if flight is not None:
            landed(flight, wait=wait)

    def run_in_background(self, key: K, work: Callable[[], V]) -> Future[V] | None:
        """Runs `work` in a thread of its own, unless work for this key is under way. Does not wait for it.

        None: no thread is to be had, or MAX_BACKGROUND work already; then nothing was started.
        """
        if not self._threads.acquire(blocking=False):
            return None
        flight, leading = self._board(key)
        if not leading:
            self._threads.release()
            return flight
        thread = threading.Thread(
            target=self._fly_in_background, args=(key, flight, work), name=f"background {key}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread"; a thread that joined must not wait for ever
            self._land(key, flight, error)
            self._threads.release()
            return None
        return flight

    def _board(self, key: K) -> tuple[Future[V], bool]:
        """The flight of this key, and whether it is ours to fly."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            return flight, True

    def _fly_in_background(self, key: K, flight: Future[V], work: Callable[[], V]) -> None:
        try:
            self._fly(key, flight, work)
        finally:
            self._threads.release()

    def _fly(self, key: K, flight: Future[V], work: Callable[[], V]) -> None:
        try:
            flight.set_result(work())
            self._land(key, flight)
        except BaseException as error:  # noqa: BLE001 — not swallowed: result() raises it in all who wait
            self._land(key, flight, error)

    def _land(self, key: K, flight: Future[V], error: BaseException | None = None) -> None:
        if error is not None:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]


def landed(flight: Future[V], *, wait: float = WAIT_SECONDS) -> V:
    """The result of work in the background. Raises what the work raised, or WaitedTooLongError."""
    try:
        return flight.result(timeout=seconds_left(wait))
    except TimeoutError:
        if flight.done():  # it ended in the moment after the wait did, or with a time-out of its own
            return flight.result()
        raise WaitedTooLongError from None
