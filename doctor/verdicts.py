"""What a check finds, and what becomes of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .case import Case

OK, WRONG, UNKNOWN = "ok", "wrong", "cannot tell"


class Wrong(NamedTuple):
    """One difference, and the command that ends it."""

    what: str
    command: str


class CannotTellError(Exception):
    """A check cannot be made. `right`: what the person lacks for it, or has to do first."""

    def __init__(self, why: str, right: str) -> None:
        super().__init__(why)
        self.right = right


Findings = Iterator[Wrong | str]
"""Differences. A text among them says what was compared, for a check that finds none."""


class Judge(Protocol):
    """Makes one check. Raises CannotTellError."""

    def __call__(self, case: Case, /) -> Findings: ...


class Check(NamedTuple):
    """One row of the table. `right`: what it takes to read what it compares."""

    name: str
    compares: str
    right: str
    judge: Judge


class Verdict(NamedTuple):
    """What became of one check. `commands` are in the order of `found`."""

    name: str
    status: str
    found: tuple[str, ...]
    commands: tuple[str, ...] = ()
    right: str = ""


def judged(check: Check, case: Case) -> Verdict:
    """The verdict of one check. Something wrong counts for more than something that cannot be told."""
    wrong: list[Wrong] = []
    notes: list[str] = []
    unknown: CannotTellError | None = None
    try:
        for one in check.judge(case):
            if isinstance(one, Wrong):
                wrong.append(one)
            else:
                notes.append(one)
    except CannotTellError as problem:
        unknown = problem
    if wrong:
        commands = tuple(dict.fromkeys(one.command for one in wrong))
        return Verdict(check.name, WRONG, tuple(one.what for one in wrong), commands)
    if unknown is not None:
        return Verdict(check.name, UNKNOWN, (str(unknown),), right=unknown.right or check.right)
    return Verdict(check.name, OK, tuple(notes) or (check.compares,))


def command(*words: str) -> str:
    """A command as a person types it in a POSIX shell."""
    return shlex.join(words)
