"""A process that measures and writes each result as a line of JSON, and the parent that reads them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from . import ROOT

_TIMEOUT = 300  # seconds for one child, of which the longest takes less than two minutes
_STOP_BOUND = 2  # seconds to end in order; dev.py has three for all of it
_running: set[subprocess.Popen[str]] = set()
_starting = threading.Lock()
_stopped = threading.Event()


class Measured(Protocol):
    """What becomes a table."""

    problems: dict[str, str]

    def take(self, key: str, said: Mapping[str, Any], /) -> None:
        """One line of a child."""


def say(**facts: object) -> None:
    """One line to the parent."""
    print(json.dumps(facts), flush=True)


def measure(
    key: str,
    module: str,
    options: Sequence[str],
    measured: Measured,
    started: float,
    what: str = "",
    *,
    root: Path = ROOT,
) -> None:
    """Runs `python -m module key options`, and tells the person at the terminal when it begins and when it is done.

    `what` is measured, in words, where the key does not say it. `root`: the folder whose code is measured.

    A child says what went wrong and ends with 0; if it does not, that is a problem of its own.
    """
    command = [sys.executable, "-m", module, key, *options]
    _tell(f"measuring {what or key} …", started)
    with _started(command, root) as child:
        try:
            said, complaint = child.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            said, complaint = child.communicate()
    for line in said.splitlines():
        measured.take(key, json.loads(line))
    if child.returncode:
        measured.problems[key] = f"its process ended with {child.returncode}: {complaint.strip()[-500:]}"
    else:
        _tell(f"{key} is done", started)


def stop() -> None:
    """Ends every child, also those of other threads, with what they have started. From now on there are no more."""
    with _starting:
        _stopped.set()
        ending = list(_running)
    for child in ending:
        _tell_to_end(child)
    for child in ending:
        _see_it_end(child)


@contextlib.contextmanager
def _started(command: Sequence[str], root: Path) -> Iterator[subprocess.Popen[str]]:
    """A child that Ctrl-C in the terminal does not reach, and that is nevertheless ended by it: in order."""
    with _starting:
        if _stopped.is_set():  # by another thread, a moment ago
            raise KeyboardInterrupt
        child = subprocess.Popen(
            command,
            cwd=root,
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,  # with what it starts, so that all of it can be ended
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        _running.add(child)
    try:
        with child:
            try:
                yield child
            except BaseException:  # Ctrl-C, too, must leave no child behind
                _tell_to_end(child)
                _see_it_end(child)
                raise
    finally:
        _running.discard(child)


def _tell_to_end(child: subprocess.Popen[str]) -> None:
    """All of its group: what it started and waits for would not hear of it otherwise."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(child.pid, signal.SIGTERM)
    else:
        child.terminate()


def _see_it_end(child: subprocess.Popen[str]) -> None:
    """Waits for a child that was told to end, then insists."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_BOUND)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):  # nothing is left of it
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


def _tell(line: str, started: float) -> None:
    whole = f"{time.monotonic() - started:7.1f} s  {line}\n"  # in one piece: two threads tell at the same moment
    print(whole, end="", file=sys.stderr, flush=True)
