"""What an operator would find in Application Insights, on stderr: `LEVEL category: text`.

Lines of the host itself are always written. A line of the app is written when the real host would keep it, so only
within an invocation. It has the function's category in place of the logger's name. See attribution.py.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TextIO

from emulators.functions_host import attribution

# A function's own failures are reported by the host as `Function.NAME`.
_HOST = ("Host.", "Function.")
# What goes to Microsoft, never to the app's owner. Source: is_system_log_category of either worker's logging.py.
_SYSTEM = (
    ("azure.functions", "azure_functions_runtime", "proxy_worker")
    if sys.version_info >= (3, 13)
    else ("azure_functions_worker",)
)
_LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class HostLog(logging.StreamHandler[TextIO]):
    """Drops what the real host drops. A record is one line in column 0; the rest of it is indented below."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter())  # as the worker's: the text alone

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or drop it."""
        if category_of(record) is not None:
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Level, category, and the whole text with its traceback. `extra` is gone, as it is in Azure."""
        text = super().format(record)
        if trace := getattr(record, "stack_trace", "") if record.name.startswith(_HOST) else "":
            text = f"{text}\n{trace.rstrip()}"
        return f"{_level(record.levelno)} {category_of(record)}: " + _LINE_BREAK.sub("\n    ", text)


def category_of(record: logging.LogRecord) -> str | None:
    """The category under which the real host keeps the record that the current thread logs; None: it is dropped."""
    if record.name.startswith(_HOST):
        return record.name
    function = attribution.current_function()
    return None if function is None or record.name.startswith(_SYSTEM) else f"Function.{function}.User"


def configure() -> None:
    """Set up the logging of this process as the worker does; for the program, never for a host inside a test."""
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower().strip() in {"1", "true", "t", "yes", "y"}
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[HostLog(sys.stderr)], force=True)


def _level(number: int) -> str:
    return logging.getLevelName(next((level for level in _LEVELS if number >= level), logging.DEBUG))
