"""The verdicts, for a person or for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from .verdicts import OK, UNKNOWN, WRONG, Verdict

EXIT_CODES = {OK: 0, WRONG: 1, UNKNOWN: 2}
_INDENT = " " * 13


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: all is well. 1: something is wrong. 2: nothing is known to be wrong, and something cannot be told."""
    found = {verdict.status for verdict in verdicts}
    return next((EXIT_CODES[status] for status in (WRONG, UNKNOWN) if status in found), EXIT_CODES[OK])


def text(verdicts: Sequence[Verdict], you: str = "") -> str:
    """One line for each check, or for several with the same verdict. Below it is the command or the right.

    `you`: who is signed in, if that is known.
    """
    lines = []
    for (status, found, ways, right), same in groupby(verdicts, key=lambda one: one[1:]):
        names = ", ".join(one.name for one in same)
        lines.append(f"{status:<11}  {names}: {'; '.join(found)}")
        lines += [f"{_INDENT}{line}" for way in ways for line in way.lines()]
        if right:
            lines.append(f"{_INDENT}it takes: {right}")
    counted = [f"{sum(one.status == status for one in verdicts)} {status}" for status in (OK, WRONG, UNKNOWN)]
    who = (f"you are {you}",) if you else ()
    return "\n".join((*lines, "", *who, f"{len(verdicts)} checks: {', '.join(counted)}"))


def as_json(verdicts: Sequence[Verdict], you: str = "") -> str:
    """An object with the list of checks. Names and statuses are stable."""
    checks = [
        {
            "check": one.name,
            "status": one.status,
            "found": one.found,
            "correct": one.corrections,
            "commands": one.commands,
            "takes": one.right,
        }
        for one in verdicts
    ]
    whole = {"you": you, "checks": checks, "exit_code": exit_code(verdicts)}
    return json.dumps(whole, indent=2, ensure_ascii=False)
