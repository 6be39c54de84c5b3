"""All that a peer logs, at every level, and what of it should never be in a log."""

from __future__ import annotations

import logging
import re
import traceback

from tests.support.leaks import LeakWatch

from .outcome import shows

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_NOT_THE_PEERS = ("uvicorn", "asyncio", "emulators", "concurrent")
_ENOUGH = 100_000  # characters of one record that are looked through for people and tokens
_PUBLIC = re.compile(r"'x5c': \[[^\]]*\]")  # certificates of Entra's signing keys look like private ones, and are not


class Logs(logging.Handler):
    """A handler on the root logger. `lines` are those since `forget`; what `found` names is kept from the start."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []
        self._found: dict[str, set[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_NOT_THE_PEERS):
            return
        text = _whole(record)
        self.lines.append((record.levelname, text))
        watch = LeakWatch()
        watch.scan(_PUBLIC.sub("", text[:_ENOUGH]), "log")
        for leak in watch.found():
            self._found.setdefault(leak.partition(" in the log")[0], set()).add(record.levelname)

    def forget(self) -> None:
        """The next failure begins."""
        self.lines.clear()

    def where(self, text: str) -> str:
        """`the log (ERROR)` when this text was logged, else nothing."""
        levels = {level for level, line in self.lines if shows(line, text)}
        return f"the log ({', '.join(sorted(levels, key=_LEVELS.index))})" if levels else ""

    def found(self) -> str:
        """Tokens, secrets and claim values in all lines since the start, each with its levels."""
        if not self._found:
            return "nothing, at any level"
        ordered = sorted(self._found.items())
        return "; ".join(f"{what} ({', '.join(sorted(levels, key=_LEVELS.index))})" for what, levels in ordered)


def _whole(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):  # the library's own call does not fit its format: logging prints both
        text = f"{record.msg} {record.args}"
    if record.exc_info and record.exc_info[1]:
        text += re.sub(r'  File ".*\n.*\n', "", "".join(traceback.format_exception(record.exc_info[1])))
    return text
