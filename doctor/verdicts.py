"""What a check finds, and what becomes of it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .case import Case

OK, WRONG, UNKNOWN = "ok", "wrong", "cannot tell"


class Wrong(NamedTuple):
    """One difference, and the command that ends it.

    `correct`: what to do first, where a mistake in a setting is likely; the command is for a setting that is right.
    """

    what: str
    command: str
    correct: str = ""
    unless: str = "if the setting is right"


class Way(NamedTuple):
    """A way to end a difference: correct a setting, or else, under the condition `unless`, type the command."""

    command: str
    correct: str = ""
    unless: str = ""

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        if self.correct:
            yield self.correct
        if self.command:
            yield f"or, {self.unless}: {self.command}" if self.correct else self.command


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
    """What became of one check. `ways` are in the order of `found`."""

    name: str
    status: str
    found: tuple[str, ...]
    ways: tuple[Way, ...] = ()
    right: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of the ways."""
        return tuple(one.command for one in self.ways if one.command)

    @property
    def corrections(self) -> tuple[str, ...]:
        """What to correct before a command is typed."""
        return tuple(one.correct for one in self.ways if one.correct)


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
        ways = tuple(dict.fromkeys(Way(one.command, one.correct, one.unless) for one in wrong))
        return Verdict(check.name, WRONG, tuple(one.what for one in wrong), ways)
    if unknown is not None:
        return Verdict(check.name, UNKNOWN, (str(unknown),), right=unknown.right or check.right)
    return Verdict(check.name, OK, tuple(notes) or (check.compares,))


def command(*words: str) -> str:
    """A command as a person types it in a POSIX shell."""
    return shlex.join(words)


def correct(setting: str, perhaps: str = "") -> str:
    """What to do about a setting that is probably wrong."""
    return f"correct the setting {setting}" + (f", perhaps to {perhaps}" if perhaps else "")


def nearest(word: str, names: Iterable[str]) -> str:
    """The name that is spelled nearly like the word, in upper or lower case; "" if there is none."""
    known = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return known[near[0]] if near else ""
