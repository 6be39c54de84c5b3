"""A bounded, thread-safe map whose entries end at a given time; when it is full the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_BUCKET_SECONDS = 60

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(Generic[V]):
    __slots__ = ("ends_at", "size", "value")

    def __init__(self, value: V, ends_at: float, size: int) -> None:
        self.value, self.ends_at, self.size = value, ends_at, size


class ExpiringLru(Generic[K, V]):
    """Bounded by number and by the sum of the sizes that its entries are said to have.

    Every operation is O(1) but for one sweep a minute over the entries that have just ended: no thread, no scan.
    A `get` takes no lock: under contention a lock cut throughput to a quarter.
    """

    def __init__(self, max_entries: int, max_size: int, now: Callable[[], float]) -> None:
        self._max_entries, self._max_size, self._now = max_entries, max_size, now
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._ending: dict[int, set[K]] = {}  # the keys whose entries end within one minute, by minute
        self._size = self._swept = 0
        self.evicted = 0  # entries that had to go although their time was not over
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        return self._size

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._now() >= entry.ends_at:
            self.remove(key)
            return None
        try:  # noqa: SIM105 — costs nothing where `suppress` would take as long as the rest
            self._entries.move_to_end(key)
        except KeyError:  # removed by another thread since; each step alone is atomic
            pass
        return entry.value

    def put(self, key: K, value: V, ends_at: float, size: int) -> V:
        """Keeps the value until `ends_at` (seconds since 1970), unless the key has one; returns the one kept."""
        with self._lock:
            self._sweep()
            known = self._entries.get(key)
            if known is not None:
                return known.value
            self._entries[key] = _Entry(value, ends_at, size)
            self._size += size
            self._ending.setdefault(_bucket(ends_at), set()).add(key)
            self._make_room()
            return value

    def resize(self, key: K, value: V, size_now: Callable[[], int]) -> None:
        """This value, if it is still the one of the key, has another size by now."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.value is value:
                size = size_now()  # under the lock: of two threads the later one must book the later size
                self._size += size - entry.size
                entry.size = size
                self._make_room()

    def remove(self, key: K) -> None:
        with self._lock:
            self._remove(key)

    def _make_room(self) -> None:
        while self._entries and (len(self._entries) > self._max_entries or self._size > self._max_size):
            key, entry = self._entries.popitem(last=False)
            self._forget(key, entry)
            self.evicted += self._now() < entry.ends_at

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._forget(key, entry)

    def _forget(self, key: K, entry: _Entry[V]) -> None:
        self._size -= entry.size
        bucket = _bucket(entry.ends_at)
        keys = self._ending.get(bucket, set())
        keys.discard(key)
        if not keys:
            self._ending.pop(bucket, None)

    def _sweep(self) -> None:
        current = _bucket(self._now())
        if current == self._swept:
            return
        self._swept = current
        for bucket in [bucket for bucket in self._ending if bucket < current]:
            for key in list(self._ending.get(bucket, ())):
                self._remove(key)


def _bucket(seconds: float) -> int:
    return int(seconds) // _BUCKET_SECONDS
