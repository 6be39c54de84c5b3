"""A Redis of one process, with its semantics: entries and locks end by the given clock. Counts the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


class DictStore:
    """A Store (shared/store.py) for measurements and tests; for one thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._locks: dict[str, tuple[str, float]] = {}
        self.commands: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str) -> bytes | None:
        self.commands["get"] += 1
        content, ends_at = self._entries.get(name, (None, 0.0))
        return content if self._now() < ends_at else None

    def put(self, name: str, content: bytes, seconds: int) -> None:
        self.commands["put"] += 1
        self._entries[name] = (content, self._now() + seconds)

    def drop(self, name: str) -> None:
        self.commands["drop"] += 1
        self._entries.pop(name, None)

    def lock(self, name: str, seconds: float) -> str:
        self.commands["lock"] += 1
        if name in self._locks and self._now() < self._locks[name][1]:
            return ""
        value = str(self.commands["lock"])
        self._locks[name] = (value, self._now() + seconds)
        return value

    def unlock(self, name: str, value: str) -> None:
        self.commands["unlock"] += 1
        if self._locks.get(name, ("", 0.0))[0] == value:
            del self._locks[name]
