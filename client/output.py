"""Standard output whose reader may close it early, as in `python3 dev.py call alice /api/me | head -1`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Flushes the output when the block ends. After the reader has closed it, further output is discarded."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # Python would otherwise fail at exit when it flushes
