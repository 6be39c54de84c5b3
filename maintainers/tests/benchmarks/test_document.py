"""The documents' measured parts: each command finds its own, replaces it, and leaves the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from maintainers.benchmarks.document import marks, part, table, tables_in, update
from maintainers.benchmarks.failures import command as failures
from maintainers.benchmarks.fleet import command as fleet
from maintainers.benchmarks.load import command as load
from maintainers.benchmarks.speed import command as speed

ROOT = Path(__file__).parents[3]
each_command = pytest.mark.parametrize(
    ("document", "command"),
    [(subject.DOCUMENT, subject.COMMAND) for subject in (failures, fleet, load, speed)],
    ids=["failures", "fleet", "load", "speed"],
)


@each_command
def test_the_document_has_the_part_that_the_command_writes(document: str, command: str) -> None:
    assert command.startswith("python3 dev.py bench")
    assert command.endswith(" --update-docs")
    assert tables_in(ROOT / document, command)


@each_command
def test_an_update_replaces_its_own_part_and_leaves_the_rest(tmp_path: Path, document: str, command: str) -> None:
    original = (ROOT / document).read_text(encoding="utf-8")
    copy = tmp_path / "document.md"
    copy.write_text(original, encoding="utf-8")

    update(copy, command, table(["figure", "x"], [["y", "z"]]))

    begin, end = marks(command)
    assert tables_in(copy, command) == [(["figure", "x"], [["y", "z"]])]
    changed = copy.read_text(encoding="utf-8")
    assert changed.partition(begin)[0] == original.partition(begin)[0]
    assert changed.partition(end)[2] == original.partition(end)[2]


@pytest.mark.parametrize("given", ["", "<!-- measured: a -->\n", "<!-- end of a -->\n", "{begin}{begin}{end}"])
def test_a_document_without_the_marks_is_refused_and_left(tmp_path: Path, given: str) -> None:
    begin, end = marks("a")
    path = tmp_path / "document.md"
    path.write_text(given.format(begin=begin, end=end), encoding="utf-8")

    with pytest.raises(ValueError, match=r"document\.md lacks the marks of 'a'"):
        update(path, "a", "new")
    with pytest.raises(ValueError, match="lacks the marks"):
        part(path, "a")
    assert path.read_text(encoding="utf-8") == given.format(begin=begin, end=end)


def test_what_a_table_holds_is_read_back_bars_and_empty_cells_too(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text("".join(marks("a")), encoding="utf-8")
    header, rows = ["counted", ""], [["a | b", "1"], ["", "2"]]

    update(path, "a", f"{table(header, rows)}\n\nbetween\n\n{table(header, [])}")

    assert tables_in(path, "a") == [(header, rows), (header, [])]
