"""Many threads, one piece of work: a thread that asks for work under way waits for its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from .deadline import seconds_left

WAIT_SECONDS = 40.0  # beyond the timeouts of what is waited for; the request's deadline may be nearer
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
    the moment after a future has result_of.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[K, Future[V]] = {}
        self._threads = threading.BoundedSemaphore(MAX_BACKGROUND)

    def do(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """The result of `work`, run by this thread or by the one that was first. Raises what the work raised.

        Raises:
            WaitedTooLongError: another thread is at it and did not finish within `wait` seconds.
        """
        future, is_new = self._join_or_start(key)
        if is_new:
            self._run(key, future, work)
        return result_of(future, wait=wait)

    def wait_in_background(self, key: K, work: Callable[[], V], *, wait: float = WAIT_SECONDS) -> V:
        """As `do`, but the work runs in the background: when this request's time is over, it goes on for others."""
        future = self.run_in_background(key, work)
        return self.do(key, work, wait=wait) if future is None else result_of(future, wait=wait)

    def join(self, key: K, *, wait: float = WAIT_SECONDS) -> None:
        """Waits for what is under way, if anything is. Raises what the work raised, or WaitedTooLongError."""
        with self._lock:
            future = self._running.get(key)
        if future is not None:
            result_of(future, wait=wait)

    def run_in_background(self, key: K, work: Callable[[], V]) -> Future[V] | None:
        """Runs `work` in a thread of its own, unless work for this key is under way. Does not wait for it.

        None: no thread is to be had, or MAX_BACKGROUND work already; then nothing was started.
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
        except RuntimeError as error:  # "can't start new thread"; a thread that joined must not wait forever
            self._finish(key, future, error)
            self._threads.release()
            return None
        return future

    def _join_or_start(self, key: K) -> tuple[Future[V], bool]:
        """The future of this key, and whether it is ours to fly."""
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
        except BaseException as error:  # noqa: BLE001 — not swallowed: result() raises it in all who wait
            self._finish(key, future, error)

    def _finish(self, key: K, future: Future[V], error: BaseException | None = None) -> None:
        if error is not None:
            future.set_exception(error)
        with self._lock:
            del self._running[key]


def result_of(future: Future[V], *, wait: float = WAIT_SECONDS) -> V:
    """The result of work in the background. Raises what the work raised, or WaitedTooLongError."""
    try:
        return future.result(timeout=seconds_left(wait))
    except TimeoutError:
        if future.done():  # it ended in the moment after the wait did, or with a timeout of its own
            return future.result()
        raise WaitedTooLongError from None
