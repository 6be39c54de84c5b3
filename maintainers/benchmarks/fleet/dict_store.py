"""A Redis of one process, with its semantics: entries and locks end by the given clock. Counts the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

_FREE, _FREE_SECONDS = "free", 1.0  # a lock that everybody has


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
        return self._entry(name)

    def get_or_lock(self, name: str, seconds: float, unless: bytes = b"") -> tuple[bytes | None, str]:
        self.commands["get_or_lock"] += 1
        found = self._entry(name)
        if found is not None and found != unless:
            return found, ""
        held = self._lock(name)
        if held:
            return None, held if held == _FREE else ""
        value = str(self.commands["get_or_lock"])
        self._locks[name] = (value, self._now() + seconds)
        return None, value

    def put(self, name: str, content: bytes, seconds: int, lock: str = "") -> None:
        self.commands["put"] += 1
        is_ours = not lock or self._lock(name) == lock
        if is_ours or self._entry(name) is None:
            self._entries[name] = (content, self._now() + seconds)
        if is_ours:
            self._locks.pop(name, None)

    def unlock(self, name: str, lock: str) -> None:
        self.commands["unlock"] += 1
        if self._lock(name) == lock:
            self._locks[name] = (_FREE, self._now() + _FREE_SECONDS)

    def drop(self, name: str) -> None:
        self.commands["drop"] += 1
        self._entries.pop(name, None)

    def _entry(self, name: str) -> bytes | None:
        content, ends_at = self._entries.get(name, (None, 0.0))
        return content if self._now() < ends_at else None

    def _lock(self, name: str) -> str:
        value, ends_at = self._locks.get(name, ("", 0.0))
        return value if self._now() < ends_at else ""
