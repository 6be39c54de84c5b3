"""Operator notes: log lines that were written outside a request, kept and written again inside the next one.

The Functions host drops a log line that belongs to no invocation. It may come from an import, a background thread or
a thread pool of the app. What an operator must know (wrong settings, the credential, signing keys, a circuit)
is written in just these places. https://github.com/Azure/azure-functions-python-worker/issues/1358
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

MAX_NOTES = 20  # kept between two requests; further ones are counted
REPEAT_AFTER_SECONDS = 3600.0  # an operator reads the same text, apart from ids in it, once in this time
MAX_CHARS = 1_000  # of one note
_MAX_REMEMBERED = 200  # texts whose last time is known
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # a caller chooses correlation ids

request_thread: ContextVar[int | None] = ContextVar("request_thread", default=None)
"""The thread that handles the request of this context: what it logs arrives by itself."""


@dataclass
class _Note:
    """One line to write: where it came from, when, and how often it was written since."""

    cause: tuple[str, str]
    name: str
    level: int
    text: str
    at: float
    count: int = 1


class OperatorNotes(logging.Handler):
    """Keeps records that would not arrive, and writes them when a request asks for it. Thread-safe and bounded.

    It is a handler, so every module goes on logging as usual. A record of the thread that handles a request is left
    alone, because it arrives by itself.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.INFO)
        self._now = now
        self.waiting: OrderedDict[tuple[str, str], _Note] = OrderedDict()  # for a request that delivers them
        self._written_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._repeats: dict[tuple[str, str], int] = {}
        self._dropped = 0

    def enter_request(self) -> None:
        """From here on, what this thread logs in this context belongs to a request.

        Nothing has to be undone: contexts that are copied to other threads bring the number of this thread along.
        """
        request_thread.set(threading.get_ident())

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the record, unless it arrives by itself, is kept already or was written within the hour."""
        if request_thread.get() == threading.get_ident():
            return
        text = record.getMessage()[:MAX_CHARS]
        cause = (record.name, _ID.sub("", text))
        if cause in self.waiting:
            self.waiting[cause].count += 1
        elif self._now() < self._written_at.get(cause, float("-inf")) + REPEAT_AFTER_SECONDS:
            self._repeats[cause] = self._repeats.get(cause, 0) + 1
        elif len(self.waiting) >= MAX_NOTES:
            self._dropped += 1
        else:
            count = 1 + self._repeats.pop(cause, 0)
            self.waiting[cause] = _Note(cause, record.name, record.levelno, text, self._now(), count)

    def deliver(self) -> None:
        """Writes what was kept. Call it on a request's own thread: then the host passes the lines on."""
        if not self.waiting:
            return
        self.enter_request()
        for note in self._take():
            logging.getLogger(note.name).log(note.level, "%s%s", note.text, self._when(note))

    def _take(self) -> list[_Note]:
        """Everything kept so far; from now on these texts rest for an hour."""
        self.acquire()
        try:
            notes, self.waiting = list(self.waiting.values()), OrderedDict()
            if self._dropped:
                text = f"{self._dropped} further notes were not kept"
                notes.append(_Note((__name__, text), __name__, logging.WARNING, text, self._now()))
            self._dropped = 0
            for note in notes:
                self._remember(note.cause)
        finally:
            self.release()
        return notes

    def _remember(self, cause: tuple[str, str]) -> None:
        self._written_at[cause] = self._now()
        self._written_at.move_to_end(cause)
        if len(self._written_at) > _MAX_REMEMBERED:
            forgotten, _ = self._written_at.popitem(last=False)
            self._repeats.pop(forgotten, None)

    def _when(self, note: _Note) -> str:
        ago = f"{self._now() - note.at:.0f} s ago"
        return f" (noted {ago})" if note.count == 1 else f" (noted {ago}, {note.count} times)"


notes = OperatorNotes()
