"""The audit trail: every request the emulators saw, with the concrete reason of its verdict and never a token."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One request: when, who called which service, what for, and how it was judged. `ms` is the time it took.

    `details` may hold fingerprints of tokens (`bearer`, `assertion`, `issued`), the `claims` that a call of the token
    endpoint asks for, `client`, `resource` and `scopes`.
    `needs` are roles on an Azure service, of which the user holds none.
    """

    at: float
    caller: str
    service: str
    method: str
    path: str
    action: str
    status: int
    verdict: str
    ms: float
    person: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


class Audit:
    """A bounded, thread-safe trail; the oldest entries leave first."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._total = 0
        self._subscribers: list[Callable[[Entry], None]] = []
        self._lock = threading.Lock()

    def append(self, entry: Entry) -> None:
        """Records an entry and tells every subscriber, in the calling thread."""
        with self._lock:
            self._entries.append(entry)
            self._total += 1
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            try:
                callback(entry)
            except Exception:  # a subscriber that fails must not make the request fail
                logger.exception("An audit subscriber failed")

    def mark(self) -> int:
        """A point in the trail, to be handed to `entries(since=…)` later."""
        with self._lock:
            return self._total

    def entries(self, since: int = 0) -> list[Entry]:
        """The entries recorded after that mark, oldest first, as far as they are still kept."""
        with self._lock:
            first_kept = self._total - len(self._entries)
            return list(self._entries)[max(0, since - first_kept) :]

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Calls `callback` with every entry from now on; what is returned ends it."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe
