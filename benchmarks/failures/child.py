"""One peer's process: `python -m benchmarks.failures.child PEER`. Each cell is a line of JSON on standard output."""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from .definition import peer, rows_of
from .peers import load
from .rows import MEASUREMENTS
from .subject import Subject
from .tenant import running


def main(key: str, wanted: list[str]) -> int:
    """Measures all rows of one peer, or those that are wanted. Returns the exit code."""
    try:
        kind = load(key)
    except ImportError as error:
        say(missing=error.name or str(error))
        return 3
    say(versions={name: version(name) for name in peer(key).packages})
    failed = False
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as tenant:
        subject = Subject(tenant, kind)
        for row in _chosen(key, wanted):
            try:
                say(row=row, cell=MEASUREMENTS[row](subject))
            except Exception:  # noqa: BLE001 — the other rows can still be measured
                failed = True
                say(row=row, error=traceback.format_exc())
            finally:
                subject.close()
    return 1 if failed else 0


def _chosen(key: str, wanted: list[str]) -> Iterator[str]:
    for row in rows_of(key):
        if not wanted or row.key in wanted:
            yield row.key


def say(**facts: object) -> None:
    """One line to the parent."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
