"""The parts of documents that a command writes, each between two marks that name the command; tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def marks(command: str) -> tuple[str, str]:
    """The lines before and after."""
    return f"<!-- measured: {command} -->", f"<!-- end of {command} -->"


def update(path: Path, command: str, text: str) -> None:
    """Replaces what stands between the marks of this command. Raises ValueError when they are not there."""
    before, _, after = _split(path, command)
    begin, end = marks(command)
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def part(path: Path, command: str) -> str:
    """What stands there now. Raises ValueError when the marks are not there."""
    return _split(path, command)[1].strip()


def tables_in(path: Path, command: str) -> list[tuple[list[str], list[list[str]]]]:
    """The header and the rows of each table between the marks."""
    found = []
    for block in re.findall(r"(?:^\|.*(?:\n|$))+", part(path, command), re.MULTILINE):
        header, _, *rows = [_cells(line) for line in block.splitlines()]
        found.append((header, rows))
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, as `tables_in` reads it."""
    return "\n".join(_line(cells) for cells in (header, ["---"] * len(header), *rows))


def _line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _split(path: Path, command: str) -> tuple[str, str, str]:
    """What stands before, between and after the marks."""
    whole, (begin, end) = path.read_text(encoding="utf-8"), marks(command)
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise ValueError(f"{path.name} lacks the marks of {command!r}")
    before, _, rest = whole.partition(begin)
    between, _, after = rest.partition(end)
    return before, between, after
