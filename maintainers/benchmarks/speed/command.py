"""`dev.py bench`: runs one process per group of rows, one after the other, then prints the table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from maintainers.benchmarks import ROOT, child, document
from maintainers.benchmarks.named import named

from .against import NoCommit, as_table, compare
from .definition import FLOORS, GATE, ROWS, Row, chosen
from .measured import Measured
from .rows import GROUPS
from .tables import as_blocks, as_json, as_markdown
from .targets import BAND

DOCUMENT, COMMAND = "docs/performance.md", "python3 dev.py bench --update-docs"
_CHILD = "maintainers.benchmarks.speed.child"


def main(arguments: list[str]) -> int:
    """Measures, prints, and returns 1 when a measurement failed.

    A target that is missed is no failure, except with --gate if it is missed by far.
    """
    options = _parser().parse_args(arguments)
    rows, measured = chosen(GATE if options.gate else options.row), Measured(options.quick)
    started = time.monotonic()
    if options.against:
        return _compare(options.against, rows, started, quick=options.quick)
    _measure(rows, measured, started)
    if options.gate and _missed(rows, measured):
        _measure(_missed(rows, measured), measured, started)  # once more: other work may have disturbed the first run
    if options.gate:
        far = _missed(rows, measured)
        measured.problems |= {row.key: f"{row.target.text}, missed by far" for row in far if row.target}
    if options.update_docs:
        if options.row or options.quick or measured.problems or measured.skipped:
            measured.problems[DOCUMENT] = "left as it is: not everything was measured"
        else:
            document.update(ROOT / DOCUMENT, COMMAND, as_markdown(measured, rows))
    shown = as_json if options.json else as_markdown if options.markdown or not sys.stdout.isatty() else as_blocks
    print(shown(measured, rows))
    for key, problem in measured.problems.items():
        print(f"dev.py bench: {key}: {problem}", file=sys.stderr)
    return 1 if measured.problems else 0


def _measure(rows: Sequence[Row], measured: Measured, started: float) -> None:
    """Runs the groups of these rows."""
    for group in GROUPS:
        if any(row.group == group for row in rows):
            keys = [row.key for row in (*ROWS, *FLOORS) if row.group == group]
            own = ["--quick"] if measured.quick else []
            child.measure(group, _CHILD, own, measured, started, f"{group} ({', '.join(keys)})")


def _missed(rows: Sequence[Row], measured: Measured) -> list[Row]:
    """Those that miss their target by far."""
    return [row for row in rows if measured.is_met(row, BAND) is False]


def _compare(reference: str, rows: Sequence[Row], started: float, *, quick: bool) -> int:
    try:
        sides = compare(reference, rows, started, quick=quick)
    except NoCommit as reason:
        print(f"dev.py bench: --against {reference}: {reason}", file=sys.stderr)
        return 2
    print(as_table(sides, rows))
    return 0


def _parser() -> argparse.ArgumentParser:
    rows = {row.key: row.title for row in (*ROWS, *FLOORS)}
    parser = argparse.ArgumentParser(
        "dev.py bench",
        description=f"{__doc__}\n`dev.py bench` alone is `dev.py bench speed`. Other subjects: failures, fleet, load.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(named("rows", rows)),
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as a table also on a terminal")
    parser.add_argument("--quick", action="store_true", help="a few calls of each, only to see that it runs")
    gate = f"measures {', '.join(GATE)}; fails if one misses its target by more than a factor of {BAND:g}"
    parser.add_argument("--gate", action="store_true", help=gate)
    against = "measures each row at this commit, too, in turns, and prints both; three times as long"
    parser.add_argument("--against", metavar="REF", help=against)
    parser.add_argument("--update-docs", action="store_true", help=f"puts the whole table into {DOCUMENT}")
    only = "only this, of those below (all); rows of one group are measured together, shown is what you name"
    parser.add_argument("--row", action="append", default=[], choices=rows, metavar="ROW", help=only)
    return parser
