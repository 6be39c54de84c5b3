"""An app that cannot be loaded, as a person wants to read it: what is wrong, and the app's own lines that led there.

The whole traceback stays in .local/api.log. Most of it is the worker's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_BEGIN = re.compile(r"ERROR Host\.Startup: .+ cannot be indexed, ")
_FRAME = re.compile(r'\s+File "(?P<file>.+?)", line (?P<line>\d+)')
_INSIDE = re.compile(r" {8}")  # the code of a frame, below it
_ADVICE = re.compile(r"\. Cannot find module\. Please check .*?(?= \(\S+, line \d+\)|$)")


def brief(text: str) -> str:
    """A reason without the worker's advice, which lists every folder of sys.path."""
    return _ADVICE.sub("", text)


class LoadingErrors:
    """Goes through the lines of one app's log."""

    def __init__(self, root: Path) -> None:
        """`root` is the app's folder."""
        self._root = root
        self._inside = self._keeping = False
        self._seen: set[tuple[str, str]] = set()

    def shown(self, line: str) -> str | None:
        """The line as a person sees it; None for one that is not theirs. Lines of other messages stay as they are."""
        if _BEGIN.match(line):
            self._inside, self._keeping = True, False
            self._seen.clear()
            return brief(line)
        if not self._inside or not line.startswith("    "):
            self._inside = False
            return line
        frame = _FRAME.match(line)
        if frame:
            where = (frame["file"], frame["line"])
            self._keeping = self._is_own(Path(frame["file"])) and where not in self._seen
            self._seen.add(where)
            return line.replace(f"{self._root}{os.sep}", "") if self._keeping else None
        return line if self._keeping and _INSIDE.match(line) else None

    def _is_own(self, file: Path) -> bool:
        if not file.is_relative_to(self._root) or "site-packages" in file.parts:
            return False
        return file.relative_to(self._root).parts[0] != "emulators"
