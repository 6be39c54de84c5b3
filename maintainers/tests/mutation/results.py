"""What was found out so far, in .local/mutation: an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

KILLED, SURVIVED = "killed", "survived"


class Results:
    """The verdicts on the mutants of one module. A line is written for each one at once.

    A killed mutant counts as killed until its module changes. A survivor is tried again when its tests have changed.
    """

    def __init__(self, file: Path, source: str, tests: Iterable[str]) -> None:
        self._file, self._source = file, _digest([source])
        self._tests = _digest(tests)
        self._known: dict[str, str] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._take(line)
        file.parent.mkdir(parents=True, exist_ok=True)

    def _take(self, line: str) -> None:
        try:
            source, tests, key, verdict = json.loads(line)
        except ValueError:  # cut off in the middle of a line
            return
        if source == self._source and (verdict == KILLED or tests == self._tests):
            self._known[key] = verdict
        else:
            self._known.pop(key, None)

    def get(self, key: str) -> str | None:
        """KILLED, SURVIVED, or None when the mutant is to be tried."""
        return self._known.get(key)

    def put(self, key: str, verdict: str) -> None:
        """Keeps a verdict."""
        self._known[key] = verdict
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self._source, self._tests, key, verdict]) + "\n")


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
