"""`dev.py bench --against REF` and `--gate`: two sides in turns, and a figure that misses its target by far."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maintainers.benchmarks import ROOT, child
from maintainers.benchmarks.speed import against, command
from maintainers.benchmarks.speed.definition import GATE, ROWS, chosen
from maintainers.benchmarks.speed.measured import Measured
from maintainers.benchmarks.speed.result import compared
from maintainers.benchmarks.speed.targets import TIMES

THERE = Path("/commit")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Groups and folders in the order in which they were measured. It takes twice as long there; `new` fails."""
    runs: list[tuple[str, Path]] = []

    def measure(group: str, _module: str, _options: Sequence[str], into: Measured, *_: Any, root: Path = ROOT) -> None:
        runs.append((group, root))
        if group == "new" and root == THERE:
            into.problems[group] = "Traceback …\nImportError: no such module"
            return
        for row in (row for row in ROWS if row.group == group):
            seconds = [0.002 if root == THERE else 0.001]
            into.take(group, {"result": compared(row.key, "time", seconds, [0.004]).as_dict()})

    @contextmanager
    def checked_out(reference: str) -> Iterator[Path]:
        assert reference == "v1"
        yield THERE

    monkeypatch.setattr(child, "measure", measure)
    monkeypatch.setattr(against, "checked_out", checked_out)
    return runs


def test_both_sides_take_turns(ran: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--against", "v1", "--row", "exchange"]) == 0
    assert ran == [("exchange", root) for root in (THERE, ROOT, ROOT, THERE, THERE, ROOT)]
    (_, _, line) = capsys.readouterr().out.strip().splitlines()
    assert line.endswith("| 2 ms | 1 ms | 0.50 (0.50 to 0.50) |")


def test_what_the_commit_cannot_measure_is_named(
    ran: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--against", "v1", "--row", "new"]) == 0
    assert "Not compared (new): at the commit: ImportError: no such module" in capsys.readouterr().out
    assert ran


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git repository")
def test_there_is_no_such_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--against", "no-such-commit"]) == 2
    assert "dev.py bench: --against no-such-commit: " in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git repository")
def test_the_commit_is_measured_by_the_code_of_this_folder() -> None:
    with against.checked_out("HEAD") as folder:
        assert (folder / "shared" / "__init__.py").exists()
        ours = (ROOT / "maintainers" / "benchmarks" / "speed" / "against.py").read_bytes()
        assert (folder / "maintainers" / "benchmarks" / "speed" / "against.py").read_bytes() == ours
    assert not folder.exists()


def test_the_gate_fails_for_a_figure_that_misses_its_target_by_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[str] = []

    def measure(group: str, _module: str, _options: Sequence[str], into: Measured, *_: Any) -> None:
        runs.append(group)
        for row in chosen(GATE):
            if row.group == group:
                slow = 9.0 if row.key == "exchange" or (row.key == "new" and runs.count("new") == 1) else 1.0
                into.take(group, {"result": compared(row.key, "time", [slow], [1.0], [1.0]).as_dict()})

    monkeypatch.setattr(child, "measure", measure)
    assert command.main(["--gate"]) == 1
    said = capsys.readouterr().err
    assert f"dev.py bench: exchange: ≤ 1.1 {TIMES} peer, missed by far" in said
    assert "dev.py bench: call" not in said
    assert "dev.py bench: new" not in said  # the second time it was fast enough
    assert runs == ["calling", "new", "exchange", "new", "exchange"]
