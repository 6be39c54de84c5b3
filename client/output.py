"""What the person at the terminal sees: messages that fit, and output whose reader may close it early.

Such a reader is `head` in `python3 dev.py call alice /api/me | head -1`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping

_NARROWEST = 80
_COMMAND = re.compile(r"(?:python3 dev\.py|redis-server)(?: [\w./:=-]+){1,3}")


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Flushes the output when the block ends. After the reader has closed it, further output is discarded."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails


def tell(text: str, environ: Mapping[str, str] = os.environ) -> None:
    """A message for the person at the terminal, on standard error. Lines fit the terminal, 80 columns at least.

    In a file or a pipe no line is broken.
    """
    if sys.stderr.isatty() or environ.get("COLUMNS"):
        width = max(_NARROWEST, shutil.get_terminal_size().columns)
        text = "\n".join(_filled(line, width) for line in text.splitlines())
    print(text, file=sys.stderr, flush=True)


def _filled(line: str, width: int) -> str:
    """Broken between words, but not inside a command that the person may copy."""
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), line)
    return textwrap.fill(whole, width, break_long_words=False, break_on_hyphens=False).replace("\0", " ")
