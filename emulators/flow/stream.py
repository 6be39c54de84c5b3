"""Hands events to the open pages. A page that does not read fast enough is dropped; nobody waits for it.

Changes are gathered for a moment, so that a burst of requests costs one event for each thing that changed.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress

MAX_LISTENERS = 16
MAX_WAITING = 256
"""Events that wait for one page. A page that has more is dropped; it connects again and gets everything anew."""
MAX_CHANGED = 100
"""Things that can wait for the next moment. The oldest are left out."""
MOMENT = 0.03
"""Seconds between two deliveries."""
Event = tuple[str, Callable[[], object]]
"""The name of an event, and what makes its data when it is delivered."""


def as_event(name: str, data: object) -> str:
    """One server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"  # json.dumps writes no line breaks


class Listener:
    """One open page, in the event loop that serves it. `queue` ends with None."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING + 1)
        self.loop = asyncio.get_running_loop()
        self.dropped = False

    def put(self, event: str) -> None:
        """In the listener's loop, without waiting."""
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
    """The open pages, all in one event loop."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._changed: dict[object, Event] = {}
        self._due = False
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

    def publish(self, key: object, name: str, data: Callable[[], object]) -> None:
        """Tells every open page, from any thread and without waiting.

        A later event with the same `key` replaces one that was not delivered yet. Nothing is done without a page.
        """
        with self._lock:
            self._forget_dropped()
            if not self._listeners:
                return
            self._changed.pop(key, None)
            self._changed[key] = name, data
            while len(self._changed) > MAX_CHANGED:
                del self._changed[next(iter(self._changed))]
            if self._due:
                return
            self._due = True
            loop = self._listeners[0].loop
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(loop.call_later, MOMENT, self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            changed, self._changed, self._due = self._changed, {}, False
            listeners = tuple(self._listeners)
        for name, data in changed.values():
            event = as_event(name, data())
            for listener in listeners:
                listener.put(event)

    def _forget_dropped(self) -> None:
        self._listeners = [listener for listener in self._listeners if not listener.dropped]
