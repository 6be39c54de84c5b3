"""Ctrl-C, kill and a closed terminal all become one KeyboardInterrupt in the main thread."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # whichever a system has


def all_as_keyboard_interrupt() -> None:
    """SIGTERM, SIGHUP and Windows' SIGBREAK end the program as Ctrl-C does, unless they are to be ignored (nohup)."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and (name == "SIGINT" or signal.getsignal(number) == signal.SIG_DFL):
            signal.signal(number, _interrupt)


def at_end_of_stdin() -> None:
    """From now on the end of standard input counts as Ctrl-C: so a parent's death shows on every system."""
    threading.Thread(target=_watch_stdin, name="stdin", daemon=True).start()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Only the first one counts: the stopping that follows is bounded, and cut short it would leave processes behind.
    for name in _NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise KeyboardInterrupt


def _watch_stdin() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass  # a closed one is at its end
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)  # also ends a wait inside a system call
    else:
        _thread.interrupt_main()
