"""The figures of a run."""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .judge import BROKEN, REFUSED, UNAVAILABLE, WRONG


@dataclass
class Figures:
    """Counters. Thread-safe."""

    verdicts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    slowest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_call(self, verdict: str, what: str, seconds: float, described: str) -> None:
        """One judged call; `what` is its status and code. Wrong ones are kept, described."""
        with self._lock:
            self.verdicts[verdict] += 1
            self.slowest = max(self.slowest, seconds)
            if verdict in (REFUSED, UNAVAILABLE):
                self.refusals[what] += 1
            if verdict in WRONG:
                self.examples.setdefault(verdict, []).append(described)

    @contextmanager
    def of_thread(self) -> Iterator[None]:
        """Around the work of one thread: if it breaks, that is found wrong, too."""
        try:
            yield
        except Exception:  # noqa: BLE001 — a thread that ended early must not pass for one that saw nothing
            with self._lock:
                self.verdicts[BROKEN] += 1
                self.examples.setdefault(BROKEN, []).append(traceback.format_exc())

    def count_trouble(self, what: str) -> None:
        """One trouble that was made."""
        with self._lock:
            self.troubles[what] += 1

    @property
    def calls(self) -> int:
        """All judged calls."""
        return sum(self.verdicts.values())

    @property
    def wrong(self) -> int:
        """Those that were not right."""
        return sum(self.verdicts[verdict] for verdict in WRONG)
