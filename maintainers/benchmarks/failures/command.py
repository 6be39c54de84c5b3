"""`dev.py bench failures`: one process per peer, two at a time; then the tables."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from maintainers.benchmarks import ROOT, child, document
from maintainers.benchmarks.named import named

from .definition import PEERS, TABLES, chosen
from .measured import Measured
from .tables import as_blocks, as_json, as_markdown

DOCUMENT, COMMAND = "docs/failures-compared.md", "python3 dev.py bench failures --update-docs"
_CHILD = "maintainers.benchmarks.failures.child"
_AT_ONCE = 2


def main(arguments: list[str]) -> int:
    """Measures, prints, and returns 1 when a measurement failed."""
    options = _parser().parse_args(arguments)
    measured = Measured()
    started = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        keys = options.peer or [peer.key for peer in PEERS]
        try:
            each = [pool.submit(child.measure, key, _CHILD, options.row, measured, started) for key in keys]
            for done in each:
                done.result()
        except BaseException:  # Ctrl-C reaches this thread alone, perhaps while it submits
            pool.shutdown(wait=False, cancel_futures=True)
            child.stop()
            raise
    if options.update_docs:
        if options.peer or options.row or measured.problems or measured.absent:
            measured.problems[DOCUMENT] = "left as it is: not everything was measured"
        else:
            document.update(ROOT / DOCUMENT, COMMAND, as_markdown(measured))
    print(_shown(options, measured))
    for key, problem in measured.problems.items():
        print(f"dev.py bench: {key}: {problem}", file=sys.stderr)
    return 1 if measured.problems else 0


def _parser() -> argparse.ArgumentParser:
    rows = {row.key: row.title for table in TABLES for row in table.rows}
    parser = argparse.ArgumentParser(
        "dev.py bench failures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join([*named("peers", {peer.key: peer.title for peer in PEERS}), "", *named("rows", rows)]),
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as tables also on a terminal")
    parser.add_argument("--update-docs", action="store_true", help=f"puts whole tables into {DOCUMENT}")
    keys = [peer.key for peer in PEERS]
    only: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--peer", choices=keys, metavar="PEER", help="only this, of those below (all)", **only)
    parser.add_argument("--row", choices=rows, metavar="ROW", help="only this, of those below (all)", **only)
    return parser


def _shown(options: argparse.Namespace, measured: Measured) -> str:
    tables = chosen(options.peer, options.row)
    if options.json:
        return as_json(measured, tables)
    return (as_markdown if options.markdown or not sys.stdout.isatty() else as_blocks)(measured, tables)
