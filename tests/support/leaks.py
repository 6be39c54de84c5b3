"""Scans every log record and every error body of the run for tokens, secrets and claim values."""

from __future__ import annotations

import logging
import re
import traceback
from types import TracebackType

from emulators.people import EVERYONE

_PATTERNS = {
    "a token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}"),
    "a private key": re.compile(r"PRIVATE KEY|MII[A-Za-z0-9+/]{40}"),
    "a claim's value": re.compile(
        "|".join(re.escape(v) for p in EVERYONE.values() for v in (p.upn, p.mail, p.oid, p.display_name)), re.IGNORECASE
    ),
    "a seeded secret": re.compile(r"s3cr3t|hunter2"),
}
_NOT_OURS = ("uvicorn", "asyncio", "emulators")


class LeakWatch(logging.Handler):
    """A handler on the root logger, at DEBUG, for as long as it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._found: list[str] = []

    def __enter__(self) -> LeakWatch:
        logging.getLogger().addHandler(self)
        logging.getLogger("shared").setLevel(logging.DEBUG)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_NOT_OURS):
            text = record.getMessage()
            if record.exc_info and record.exc_info[1]:
                text += "".join(traceback.format_exception(record.exc_info[1]))
            self.scan(text, f"log of {record.name}")

    def scan(self, text: str, where: str) -> None:
        """Remembers what should not be in this text; the run fails at its end."""
        for what, pattern in _PATTERNS.items():
            match = pattern.search(text)
            if match:
                self._found.append(f"{what} in the {where}: {text[max(0, match.start() - 80) : match.start() + 12]!r}…")

    def found(self) -> list[str]:
        return self._found
