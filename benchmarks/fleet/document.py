"""The parts of docs/scale.md that measurements write, each between two marks of its own."""

from __future__ import annotations

from pathlib import Path

DOCUMENT, PICTURE = "docs/scale.md", "docs/scale-fleet.svg"
FLEET, LOAD = "python3 dev.py bench fleet --update-docs", "python3 dev.py bench load"


def update(path: Path, command: str, text: str) -> None:
    """Replaces what stands between the marks of this command. Raises ValueError when they are not there."""
    begin, end = marks(command)
    whole = path.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise ValueError(f"{path.name} lacks the marks of {command!r}")
    before, after = whole[: whole.index(begin)], whole[whole.index(end) :]
    path.write_text(f"{before}{begin}\n\n{text}\n\n{after}", encoding="utf-8")


def part(path: Path, command: str) -> str:
    """What stands there now."""
    begin, end = marks(command)
    whole = path.read_text(encoding="utf-8")
    return whole[whole.index(begin) + len(begin) : whole.index(end)].strip()


def marks(command: str) -> tuple[str, str]:
    """The lines before and after."""
    return f"<!-- measured: {command} -->", f"<!-- end of {command} -->"
