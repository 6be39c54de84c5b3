"""The report at the end of a run."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .figures import Figures
from .judge import ANSWERED, REFUSED, UNAVAILABLE, WRONG
from .sieve import Sieve

ROOT = Path(__file__).parents[3]
MAX_EXAMPLES = 5  # of each kind
_WIDTH = 100
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Options:
    """How long, how many, which chance, and where to."""

    seconds: float
    seed: int
    people: int
    threads: int
    logs: Path = ROOT / ".local" / "soak"
    """The folder in which both apps' logs, and the emulators', can be read afterwards."""


@dataclass(frozen=True)
class Report:
    """A finished run. `unwell`: people who were not served once all troubles had ended; `memory`: before and after."""

    options: Options
    seconds: float
    figures: Figures
    sieve: Sieve
    tokens: int = 0
    exchanges: int = 0
    unwell: list[str] | None = None
    memory: tuple[float | None, float | None] = (None, None)

    @property
    def is_good(self) -> bool:
        """Whether nothing at all was wrong, and something was done."""
        wrong = self.figures.wrong or self.sieve.found() or self.unwell
        return not wrong and self.figures.verdicts[ANSWERED] > 0

    def text(self) -> str:
        """The table, then what was wrong."""
        options = self.options
        head = f"{options.people} people, {self.tokens:,} tokens, {options.threads} threads, {self.seconds:.0f} s"
        found = {**self.figures.examples, "leak": self.sieve.found(), "not served": self.unwell or []}
        problems = [f"{kind}: {one}" for kind, examples in found.items() for one in examples[:MAX_EXAMPLES]]
        again = (
            f"python3 dev.py soak --seed {options.seed} --seconds {options.seconds:g}"
            f" --people {options.people} --threads {options.threads}"
        )
        end = "all good" if self.is_good else f"NOT GOOD; the logs are in {options.logs}"
        blocks = [head, "\n".join(_row(*row) for row in self._rows()), "\n".join(problems), f"{end}; again: {again}"]
        return "\n\n".join(filter(None, blocks))

    def _rows(self) -> list[tuple[str, str, str]]:
        figures, calls, sieve = self.figures, self.figures.calls, self.sieve
        speed = calls / self.seconds if self.seconds else 0
        rows = [
            ("calls", f"{calls:,}", f"{speed:.0f} per second; the slowest took {figures.slowest:.1f} s"),
            ("answered", f"{figures.verdicts[ANSWERED]:,}", f"with {self.exchanges:,} exchanges in all"),
            ("refused", f"{figures.verdicts[REFUSED]:,}", _listed(figures.refusals, "4")),
            ("unavailable", f"{figures.verdicts[UNAVAILABLE]:,}", _listed(figures.refusals, "5")),
            ("troubles", f"{sum(figures.troubles.values()):,}", _listed(figures.troubles)),
        ]
        rows += [(verdict, f"{figures.verdicts[verdict]:,}", "") for verdict in WRONG]
        rows += [
            ("leaks", f"{len(sieve.found()):,}", f"in {sieve.lines:,} log lines and {sieve.bodies:,} error bodies"),
            ("not served at the end", f"{len(self.unwell or []):,}", "when all troubles were over"),
        ]
        before, after = self.memory
        if before is not None and after is not None:
            rows.append(("memory of the API", f"{after:.0f} MB", f"at the start {before:.0f} MB"))
        return rows


def _row(what: str, number: str, more: str) -> str:
    head = f"  {what:<24}{number:>10}   "
    if not more:
        return head.rstrip()
    together = re.sub("(?<!,) ", _NO_BREAK, more)  # lines end at commas only
    filled = textwrap.fill(together, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    return filled.replace(_NO_BREAK, " ")


def _listed(counter: Counter[str], start: str = "") -> str:
    chosen = [(count, what) for what, count in counter.items() if what.startswith(start)]
    return ", ".join(f"{what} {count:,}" for count, what in sorted(chosen, reverse=True))
