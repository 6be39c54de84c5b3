"""`dev.py bench --against REF`: each row at a commit and in this folder, in the same run, in turns.

The commit gets the benchmarks and the emulators of this folder, so both sides are measured by the same code. A row that
needs something the commit lacks is left out, and named.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from maintainers.benchmarks import ROOT, child
from maintainers.benchmarks.document import table

from .definition import Row
from .measured import Measured
from .rows import GROUPS
from .tables import amount, ratio

TURNS = 3
HEADER = ("figure", "at the commit", "here", "here ÷ the commit (range)")
_CHILD = "maintainers.benchmarks.speed.child"
_OURS = ("emulators", "maintainers", "local-stack.toml")  # the code that measures


class NoCommit(Exception):  # noqa: N818 — named for what has happened
    """There is no such commit, or git is not here. The text says which."""


@dataclass
class Sides:
    """What was measured of each row at the commit and here, in the order of the turns."""

    there: dict[str, list[float]] = field(default_factory=dict)
    here: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def rows(self, rows: Sequence[Row]) -> Iterator[tuple[str, str, str, str]]:
        """The cells of the table."""
        for row in rows:
            there, here = self.there.get(row.key, []), self.here.get(row.key, [])
            pairs = list(zip(there, here, strict=False))
            if not pairs:
                continue
            unit = self.units[row.key]
            ratios = [mine / its for its, mine in pairs]
            shown = f"{ratio(median(ratios))} ({ratio(min(ratios))} to {ratio(max(ratios))})"
            yield row.title, amount(median(there), unit), amount(median(here), unit), shown


def compare(reference: str, rows: Sequence[Row], started: float, *, quick: bool = False, turns: int = TURNS) -> Sides:
    """Measures the rows. Raises NoCommit."""
    sides = Sides()
    with checked_out(reference) as folder:
        for group in GROUPS:
            wanted = [row.key for row in rows if row.group == group]
            for turn in range(turns if wanted else 0):
                for root in (folder, ROOT) if turn % 2 == 0 else (ROOT, folder):
                    _take(sides, group, wanted, root, started, quick)
    return sides


def as_table(sides: Sides, rows: Sequence[Row]) -> str:
    """A table in Markdown, and what could not be measured."""
    lines = [table(HEADER, [list(cells) for cells in sides.rows(rows)])]
    lines += [f"Not compared ({group}): {problem}" for group, problem in sides.problems.items()]
    return "\n\n".join(lines)


@contextmanager
def checked_out(reference: str) -> Iterator[Path]:
    """A folder with the files of the commit, and with the measuring code of this folder. Raises NoCommit."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "commit"
        _git("worktree", "add", "--detach", "--quiet", str(folder), reference)
        try:
            for name in _OURS:
                _replace(ROOT / name, folder / name)
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def _replace(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        shutil.copy(source, target)


def _git(*arguments: str) -> None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)  # noqa: S607
    except FileNotFoundError:
        raise NoCommit("git is not installed, or not on the PATH") from None
    if done.returncode:
        raise NoCommit(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "git failed")


def _take(sides: Sides, group: str, wanted: Sequence[str], root: Path, started: float, quick: bool) -> None:
    measured = Measured(quick)
    where = "here" if root == ROOT else "at the commit"
    child.measure(group, _CHILD, ["--quick"] if quick else [], measured, started, f"{group} {where}", root=root)
    for problem in (*measured.problems.values(), *measured.skipped.values()):
        sides.problems.setdefault(group, f"{where}: {problem.strip().splitlines()[-1]}")
    for key in wanted:
        result = measured.results.get(key)
        if result is not None:
            (sides.here if root == ROOT else sides.there).setdefault(key, []).append(result.ours.median)
            sides.units[key] = result.unit
