"""The part of docs/performance.md that a measurement writes."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = "docs/performance.md"
_BEGIN, _END = "<!-- measured: python3 dev.py bench --update-docs -->", "<!-- end of what was measured -->"


def update(path: Path, tables: str) -> None:
    """Replaces what stands between the two marks. Raises ValueError when they are not there."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT} lacks the marks between which the tables stand")
    path.write_text(f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}", encoding="utf-8")


def tables_in(path: Path) -> list[tuple[list[str], list[list[str]]]]:
    """The header and the rows of each table between the marks."""
    text = path.read_text(encoding="utf-8")
    measured = text[text.index(_BEGIN) : text.index(_END)]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", measured, re.MULTILINE):
        rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in block.splitlines()]
        found.append((rows[0], rows[2:]))
    return found
