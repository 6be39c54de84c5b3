"""A process that measures and says each result in a line of JSON; and the parent that takes them down."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from . import ROOT

_PATIENCE = 300  # seconds for one child, of which the longest takes less than two minutes


class Measured(Protocol):
    """What becomes a table."""

    problems: dict[str, str]

    def take(self, key: str, said: Mapping[str, Any], /) -> None:
        """One line of a child."""


def say(**facts: object) -> None:
    """One line to the parent."""
    print(json.dumps(facts), flush=True)


def measure(key: str, module: str, options: Sequence[str], measured: Measured, started: float, what: str = "") -> None:
    """Runs `python -m module key options`, and tells the person at the terminal when it begins and when it is done.

    `what` is measured, in words, where the key does not say it.

    A child says what went wrong and ends with 0; if it does not, that is a problem of its own.
    """
    command = [sys.executable, "-m", module, key, *options]
    _tell(f"measuring {what or key} …", started)
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as child:
        try:
            said, complaint = child.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            said, complaint = child.communicate()
    for line in said.splitlines():
        measured.take(key, json.loads(line))
    if child.returncode:
        measured.problems[key] = f"its process ended with {child.returncode}: {complaint.strip()[-500:]}"
    _tell(f"{key} is done", started)


def _tell(line: str, started: float) -> None:
    print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)
