"""Hands events to the open pages. A page that does not read fast enough is dropped; nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress

MAX_LISTENERS = 16
MAX_WAITING = 256
"""Events that wait for one page. A page that has more is dropped; it connects again and gets everything anew."""


def as_event(name: str, data: object) -> str:
    """One server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"  # json.dumps writes no line breaks


class Listener:
    """One open page, in the event loop that serves it. `queue` ends with None."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING + 1)
        self._loop = asyncio.get_running_loop()
        self.dropped = False

    def offer(self, event: str) -> None:
        """From any thread, without waiting."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: str) -> None:
        if self.dropped:
            return
        if self.queue.qsize() < MAX_WAITING:
            self.queue.put_nowait(event)
            return
        self.dropped = True
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Stream:
    """The open pages."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether another page would be one too many."""
        with self._lock:
            self._forget_dropped()
            return len(self._listeners) >= MAX_LISTENERS

    def join(self) -> Listener | None:
        """A new listener of the running event loop, or None when there are too many. `leave` ends it."""
        if self.full:
            return None
        listener = Listener()
        with self._lock:
            self._listeners.append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """This page is closed."""
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not listener]

    def publish(self, name: str, data: Callable[[], object]) -> None:
        """Tells every open page, without waiting for one. `data` is called only when there is a page."""
        with self._lock:
            self._forget_dropped()
            listeners = tuple(self._listeners)
        if listeners:
            event = as_event(name, data())
            for listener in listeners:
                listener.offer(event)

    def _forget_dropped(self) -> None:
        self._listeners = [listener for listener in self._listeners if not listener.dropped]
