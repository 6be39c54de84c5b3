"""One peer's process: `python -m benchmarks.failures.child PEER`. Each cell is a line of JSON on standard output."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from emulators.local import interrupts
from maintainers.benchmarks.child import say

from .definition import peer, rows_of
from .peers import load
from .rows import MEASUREMENTS
from .subject import Subject
from .tenant import running


def main(key: str, wanted: list[str]) -> None:
    """Measures all rows of one peer, or those that are wanted."""
    try:
        kind = load(key)
    except ModuleNotFoundError as error:
        say(missing=error.name)
        return
    say(versions={name: version(name) for name in peer(key).packages})
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as tenant:
        subject = Subject(tenant, kind)
        for row in _chosen(key, wanted):
            try:
                say(row=row, cell=MEASUREMENTS[row](subject))
            except Exception:  # noqa: BLE001 — the other rows can still be measured
                say(row=row, error=traceback.format_exc())
            finally:
                subject.close()


def _chosen(key: str, wanted: list[str]) -> Iterator[str]:
    for row in rows_of(key):
        if not wanted or row.key in wanted:
            yield row.key


if __name__ == "__main__":
    interrupts.all_as_keyboard_interrupt()
    main(sys.argv[1], sys.argv[2:])
