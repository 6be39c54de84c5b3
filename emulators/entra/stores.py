"""What the token endpoint issues and later accepts: authorization codes, refresh tokens, device codes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class ExpiringStore(Generic[Kept]):
    """A bounded, thread-safe dictionary whose entries expire. When it is full, the oldest entry is removed."""

    def __init__(self, now: Callable[[], float], capacity: int = 10_000) -> None:
        self._now = now
        self._capacity = capacity
        self._entries: OrderedDict[str, tuple[float, Kept]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: str, value: Kept, lifetime: float) -> None:
        """Keeps a value for `lifetime` seconds."""
        with self._lock:
            self._put(key, value, lifetime)

    def _put(self, key: str, value: Kept, lifetime: float) -> None:
        self._entries[key] = (self._now() + lifetime, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def get(self, key: str) -> Kept | None:
        """The value, or None when there is none or it has run out."""
        with self._lock:
            expires, value = self._entries.get(key, (0.0, None))
            return value if expires > self._now() else None

    def add(self, key: str, value: Kept, lifetime: float) -> Kept:
        """Keeps the value unless there is one already; returns the one that is kept now."""
        with self._lock:
            expires, present = self._entries.get(key, (0.0, None))
            if present is not None and expires > self._now():
                return present
            self._put(key, value, lifetime)
            return value

    def discard(self, key: str) -> None:
        """Forgets a value."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
