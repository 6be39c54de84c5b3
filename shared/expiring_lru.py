"""A bounded, thread-safe map whose entries end at a given time; when it is full the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_BUCKET_SECONDS = 60

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringLru(Generic[K, V]):
    """Every operation is O(1) but for one sweep a minute over the entries that have just ended: no thread, no scan."""

    def __init__(self, max_entries: int, now: Callable[[], float]) -> None:
        self._max_entries, self._now = max_entries, now
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._ending: dict[int, set[K]] = {}  # the keys whose entries end within one minute, by minute
        self._swept = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None when there is none or its time is over."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._now() >= entry[1]:
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V, ends_at: float) -> V:
        """Keeps the value until `ends_at` (seconds since 1970), unless the key has one; returns the one kept."""
        with self._lock:
            self._sweep()
            kept, _ = self._entries.setdefault(key, (value, ends_at))
            if kept is value:
                self._ending.setdefault(_bucket(ends_at), set()).add(key)
            while len(self._entries) > self._max_entries:
                self._remove(next(iter(self._entries)))
            return kept

    def remove(self, key: K) -> None:
        with self._lock:
            self._remove(key)

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._ending.get(_bucket(entry[1]), set()).discard(key)

    def _sweep(self) -> None:
        current = _bucket(self._now())
        if current == self._swept:
            return
        self._swept = current
        for bucket in [bucket for bucket in self._ending if bucket < current]:
            for key in self._ending.pop(bucket):
                self._entries.pop(key, None)


def _bucket(seconds: float) -> int:
    return int(seconds) // _BUCKET_SECONDS
