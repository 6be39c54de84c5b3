"""Logs of the host and of the functions, on stderr, one line each: `LEVEL logger: message`, then any traceback."""

from __future__ import annotations

import logging
import sys

# What the worker and its host keep quiet by default.
_QUIET = ("azure", "urllib3", "uvicorn", "asyncio")


class OneLine(logging.Formatter):
    """A message is one line, whatever it contains; only a traceback takes more."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        line = f"{record.levelname} {record.name}: {record.getMessage()}".replace("\r", "\\r").replace("\n", "\\n")
        trace = getattr(record, "stack_trace", "") or (self.formatException(record.exc_info) if record.exc_info else "")
        return f"{line}\n{trace.rstrip()}" if trace else line


def configure() -> None:
    """Set up the logging of this process; for the program, never for a host inside a test."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
