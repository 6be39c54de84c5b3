"""`dev.py bench`: one process per group of rows, one after the other; then the table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from .definition import FLOORS, ROWS, chosen
from .document import DOCUMENT, update
from .measured import Measured
from .rows import GROUPS
from .tables import as_blocks, as_json, as_markdown

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 300  # seconds for one group, of which the longest takes less than two minutes


def main(arguments: list[str]) -> int:
    """Measures, prints, and returns 1 when a measurement failed. A target that is missed is no failure."""
    options = _parser().parse_args(arguments)
    rows, measured = chosen(options.row), Measured(options.quick)
    started = time.monotonic()
    for group in GROUPS:
        if any(row.group == group for row in rows):
            _measure(group, measured)
            print(f"{time.monotonic() - started:7.1f} s  {group}", file=sys.stderr, flush=True)
    if options.update_docs:
        if options.row or options.quick or measured.problems or measured.skipped:
            measured.problems[DOCUMENT] = "left as it is: not everything was measured"
        else:
            update(ROOT / DOCUMENT, as_markdown(measured, rows))
    shown = as_json if options.json else as_markdown if options.markdown or not sys.stdout.isatty() else as_blocks
    print(shown(measured, rows))
    for key, problem in measured.problems.items():
        print(f"dev.py bench: {key}: {problem}", file=sys.stderr)
    return 1 if measured.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("dev.py bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as a table also on a terminal")
    parser.add_argument("--quick", action="store_true", help="a few calls of each, only to see that it runs")
    parser.add_argument("--update-docs", action="store_true", help=f"puts the whole table into {DOCUMENT}")
    keys = [row.key for row in (*ROWS, *FLOORS)]
    parser.add_argument(
        "--row", action="append", default=[], choices=keys, metavar="ROW", help=f"only this: {', '.join(keys)}"
    )
    return parser


def _measure(group: str, measured: Measured) -> None:
    """Runs one group's process and takes down what it says."""
    command = [sys.executable, "-m", "benchmarks.speed.child", group, *(["--quick"] if measured.quick else [])]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as child:
        try:
            said, complaint = child.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            said, complaint = child.communicate()
    for line in said.splitlines():
        measured.take(group, json.loads(line))
    if child.returncode not in (0, 1):
        measured.problems[group] = f"its process ended with {child.returncode}: {complaint.strip()[-500:]}"
