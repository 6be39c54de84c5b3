"""The requests that the emulators got, in the words of the tables."""

from __future__ import annotations

import time

from emulators.audit import Entry
from tests.support.lab import Lab


def failed(lab: Lab, mark: int) -> int:
    """How many requests, or connections, have suffered a fault."""
    return sum(entry.verdict.startswith("fault: ") for entry in lab.stack.audit.entries(mark))


def settled(lab: Lab, mark: int, expected: int) -> int:
    """The same, once those that were given up at once have arrived, too."""
    for _ in range(500):
        if failed(lab, mark) >= expected:
            break
        time.sleep(0.01)
    return failed(lab, mark)


def steps(lab: Lab, mark: int) -> list[str]:
    """What went well, without the tunnels and the vault's demand for a token."""
    return [f"{entry.service}:{entry.action}" for entry in lab.stack.audit.entries(mark) if _counts(entry)]


def _counts(entry: Entry) -> bool:
    asks_for_a_token = entry.service == "vault" and entry.status == 401
    return not (entry.action == "connect" or asks_for_a_token or entry.verdict.startswith("fault: "))
