"""Operator notes: log lines from outside a request are kept, and written again inside the next request.

The Functions host drops a log line that belongs to no invocation. It may come from an import, a background thread or
a thread pool of the app. Lines that an operator must see (wrong settings, the credential, signing keys, a circuit)
come from these places. https://github.com/Azure/azure-functions-python-worker/issues/1358
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar

MAX_NOTES = 20  # kept until the next request; further ones are only counted
REPEAT_AFTER_SECONDS = 3600.0  # the same text, apart from ids in it, is written once in this time
MAX_CHARS = 1_000  # of one note
_MAX_REMEMBERED = 200  # texts whose last time is remembered
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # callers choose correlation ids

request_thread: ContextVar[int | None] = ContextVar("request_thread", default=None)
"""The thread that handles the request of this context. The host keeps what this thread logs."""


class _Note:
    """One line to write: where it came from, when, and how often it was written since."""

    def __init__(self, cause: tuple[str, str], name: str, level: int, text: str, at: float, count: int) -> None:
        self.cause, self.name, self.level, self.text = cause, name, level, text
        self.at, self.count = at, count


class OperatorNotes(logging.Handler):
    """Keeps records that the host would drop, and writes them when a request calls `deliver`. Thread-safe and bounded.

    This is a logging handler, so all modules log as usual. Records of a thread that handles a request are ignored,
    because the host keeps those.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.INFO)
        self.addFilter(lambda _: request_thread.get() != threading.get_ident())  # before the lock is taken
        self._now = now
        self.waiting: OrderedDict[tuple[str, str], _Note] = OrderedDict()  # for a request that delivers them
        self._written_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._repeats: dict[tuple[str, str], int] = {}
        self._dropped = 0

    def enter_request(self) -> None:
        """From now on, log lines of this thread in this context belong to a request.

        Nothing has to undo this. A context that is copied to another thread still holds the number of this thread. So
        lines of the other thread do not count as a request's.
        """
        request_thread.set(threading.get_ident())

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the record, unless it is kept already, or was written within the hour."""
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
        """Writes the kept notes. Call this on the thread of a request: the host keeps the lines of that thread."""
        if not self.waiting:
            return
        self.enter_request()
        for note in self._take():
            logging.getLogger(note.name).log(note.level, "%s%s", note.text, self._when(note))

    def _take(self) -> list[_Note]:
        """Removes and returns all notes. These texts are not written again for an hour."""
        self.acquire()
        try:
            notes, self.waiting = list(self.waiting.values()), OrderedDict()
            if self._dropped:
                text = f"{self._dropped} further notes were not kept"
                notes.append(_Note((__name__, text), __name__, logging.WARNING, text, self._now(), 1))
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
