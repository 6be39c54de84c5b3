"""The part of docs/failures-compared.md that a measurement writes."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = "docs/failures-compared.md"
_BEGIN, _END = "<!-- measured: python3 dev.py bench failures --update-docs -->", "<!-- end of what was measured -->"


def update(path: Path, tables: str) -> None:
    """Replaces what stands between the two marks. Raises ValueError when they are not there."""
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{_split(text)[0]}{_BEGIN}\n\n{tables}\n\n{_END}{_split(text)[1]}", encoding="utf-8")


def tables_in(path: Path) -> list[tuple[list[str], list[list[str]]]]:
    """The header and the rows of each table between the marks."""
    text = path.read_text(encoding="utf-8")
    measured = text[text.index(_BEGIN) : text.index(_END)]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", measured, re.MULTILINE):
        rows = [re.split(r" (?<!\\)\| ", line.strip("| \n")) for line in block.splitlines()]
        found.append((rows[0], rows[2:]))
    return found


def _split(text: str) -> tuple[str, str]:
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT} lacks the marks between which the tables stand")
    return before, after
