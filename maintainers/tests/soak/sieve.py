"""Looks through all log lines and error bodies for tokens, secrets, and the names and ids of people."""

from __future__ import annotations

import re
import threading

from tests.support.leaks import LeakWatch

from .crowd import TRACE


class Sieve(LeakWatch):
    """Counts what it looks through, and knows the crowd. Thread-safe."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = self.bodies = 0
        self._trace = re.compile(TRACE)
        self._more: list[str] = []
        self._count = threading.Lock()

    def scan(self, text: str, where: str) -> None:
        """One line of a log, or one error body with its headers."""
        super().scan(text, where)
        with self._count:
            if where.startswith("log"):
                self.lines += 1
            else:
                self.bodies += 1
            match = self._trace.search(text)
            if match:
                self._more.append(f"a person in the {where}: {text[max(0, match.start() - 80) : match.end() + 12]!r}")

    def found(self) -> list[str]:
        """Every leak, with a few characters around it."""
        return [*super().found(), *self._more]
