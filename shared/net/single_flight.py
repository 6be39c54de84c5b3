"""Single flight: many threads ask for the same work, one runs it, and all get its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from .deadline import seconds_left

WAIT_SECONDS = 40.0  # longer than the timeouts inside the work; the deadline of the request may end the wait earlier
MAX_BACKGROUND = 16  # background threads

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WaitedTooLongError(Exception):
    """Another thread runs the work, and did not finish in time."""

    def __init__(self) -> None:
        super().__init__("waited too long for another thread")


class SingleFlight(Generic[K, V]):
    """Runs the work for a key once at a time. All threads that ask meanwhile get its result or error.

    No result is kept, and no lock is held while the work runs. The work should first check whether it was just done:
    a thread may ask in the moment after the last run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[K, Future[V]] = {}
        self._threads = threading.BoundedSemaphore(MAX_BACKGROUND)

    def do(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """Runs `work`, or joins the running work for this key. Returns its result, or raises its error.

        Raises:
            WaitedTooLongError: another thread runs it, and did not finish within `wait` seconds.
        """
        future, is_new = self._join_or_start(key)
        if is_new:
            self._run(key, future, work)
        return result_of(future, wait=wait)

    def wait_in_background(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """As `do`, but the work runs in the background. If this request ends earlier, others still get the result."""
        future = self.run_in_background(key, work)
        return self.do(key, work, wait=wait) if future is None else result_of(future, wait=wait)

    def join(self, key: K, *, wait: float = WAIT_SECONDS) -> None:
        """Waits for the running work of this key, if there is any. Raises its error, or WaitedTooLongError."""
        with self._lock:
            future = self._running.get(key)
        if future is not None:
            result_of(future, wait=wait)

    def run_in_background(self, key: K, work: Callable[[], V]) -> Future[V] | None:
        """Starts `work` in a background thread, unless work for this key is running. Does not wait for it.

        Returns:
            The future of the new or the running work. None: no thread was free, so nothing was started.
        """
        if not self._threads.acquire(blocking=False):
            return None
        future, is_new = self._join_or_start(key)
        if not is_new:
            self._threads.release()
            return future
        thread = threading.Thread(
            target=self._run_and_release, args=(key, future, work), name=f"background {key}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread"; threads that joined must not wait forever
            self._finish(key, future, error)
            self._threads.release()
            return None
        return future

    def _join_or_start(self, key: K) -> tuple[Future[V], bool]:
        """The future for this key, and whether it is new. If it is new, the caller must run the work."""
        with self._lock:
            future = self._running.get(key)
            if future is not None:
                return future, False
            future = self._running[key] = Future()
            return future, True

    def _run_and_release(self, key: K, future: Future[V], work: Callable[[], V]) -> None:
        try:
            self._run(key, future, work)
        finally:
            self._threads.release()

    def _run(self, key: K, future: Future[V], work: Callable[[], V]) -> None:
        try:
            future.set_result(work())
            self._finish(key, future)
        except BaseException as error:  # noqa: BLE001 — not swallowed: result() raises it in all waiting threads
            self._finish(key, future, error)

    def _finish(self, key: K, future: Future[V], error: BaseException | None = None) -> None:
        if error is not None:
            future.set_exception(error)
        with self._lock:
            del self._running[key]


def result_of(future: Future[V], *, wait: float = WAIT_SECONDS) -> V:
    """The result of running work. Raises its error, or WaitedTooLongError."""
    try:
        return future.result(timeout=seconds_left(wait))
    except TimeoutError:
        if future.done():  # the work ended just after the wait, or raised a TimeoutError itself
            return future.result()
        raise WaitedTooLongError from None
