"""`dev.py bench fleet` as it is typed, and the costs that it measures."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from maintainers.benchmarks.document import part, tables_in
from maintainers.benchmarks.fleet.command import COMMAND, DOCUMENT, PICTURE, main
from maintainers.benchmarks.fleet.costs import Costs, read
from maintainers.benchmarks.fleet.fleet import Fleet
from maintainers.benchmarks.fleet.known_request import log_at_info
from maintainers.benchmarks.fleet.measuring import measure
from maintainers.benchmarks.fleet.scenarios import parts
from maintainers.benchmarks.fleet.table import HEADER, described

ROOT = Path(__file__).parents[3]
COSTS = Costs(5e-6, 100e-6, 2e-3, 100e-6, 400e-6, 2_000, 2_000, 3_000, "made up", "made of paper")


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maintainers.benchmarks", "fleet", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120)


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    path = tmp_path / "costs.json"
    path.write_text(COSTS.as_json(), encoding="utf-8")
    return path


def test_with_given_costs_it_prints_the_same_every_time(costs: Path) -> None:
    first, second = (bench("--costs", str(costs), "--instances", "3", "--play", "--seed", "5") for _ in range(2))

    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert "3 instances" in first.stdout
    assert "(seed 5)" in first.stdout
    assert "Microsoft publishes no figure" in first.stdout
    assert first.stderr == ""


def test_json_and_picture_are_written_where_they_are_wanted(costs: Path, tmp_path: Path) -> None:
    picture, kept = tmp_path / "fleet.svg", tmp_path / "kept.json"
    result = bench("--costs", str(costs), "--json", "--svg", str(picture), "--save-costs", str(kept))

    assert json.loads(result.stdout)["costs"] == asdict(COSTS)
    assert picture.read_text(encoding="utf-8").startswith("<svg ")
    assert read(kept) == COSTS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--instances", "0"], "at least one instance"),
        (["--requests-per-second", "0"], "more than nothing"),
        (["--costs", "nowhere.json"], f"--costs: there is no file {ROOT / 'nowhere.json'}"),
        (["--costs", "docs"], f"--costs: {ROOT / 'docs'} cannot be read: "),
        (["--costs", "README.md"], "README.md is not JSON: it must be what --save-costs wrote"),
    ],
)
def test_a_question_without_sense_is_refused_in_words(costs: Path, options: list[str], said: str) -> None:
    result = bench("--costs", str(costs), *options)

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("option", ["--svg", "--save-costs"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maintainers.benchmarks.fleet.command.measure", lambda: pytest.fail("measured"))
    for path, said in (
        (tmp_path / "none" / "x", f"there is no folder {tmp_path / 'none'}"),
        (tmp_path, f"{tmp_path} is a folder; name a file"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([option, str(path)])
        assert ended.value.code == 2
        assert f"argument {option}: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "began", "heading"),
    [
        (
            [],
            "The usual fleet: 78,700 exchanges an hour without Redis, 7,890 with it",
            "The usual fleet (\\*): 10 inst",
        ),
        (["--instances", "1"], "Your fleet: 7,890 exchanges an hour without Redis, 7,890", "Your fleet (\\*): 1 inst"),
    ],
    ids=["usual", "own"],
)
def test_whether_the_second_level_pays_is_said_first(costs: Path, options: list[str], began: str, heading: str) -> None:
    first, _, *others = bench("--costs", str(costs), *options).stdout.splitlines()

    assert first.startswith(began)
    assert first.endswith(f"; the second level saves {'nothing' if options else '90 %'}.")
    assert others[0].startswith(heading)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A root with a copy of the document, so that no test changes the real one."""
    (tmp_path / "docs").mkdir()
    for name in (DOCUMENT, PICTURE):
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("option", [["--instances", "3"], ["--limit", "3"], ["--limit", "0"], ["--costs", "{costs}"]])
def test_the_document_gets_nothing_but_the_usual_fleet_with_measured_costs(
    copied: Path,
    costs: Path,
    option: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("maintainers.benchmarks.fleet.command.measure", lambda: COSTS)
    before = (copied / DOCUMENT).read_bytes(), (copied / PICTURE).read_bytes()

    with pytest.raises(SystemExit):
        main(["--update-docs", *(word.format(costs=costs) for word in option)], copied)

    said = capsys.readouterr()
    assert said.out == ""
    assert "the document has the usual fleet, without a limit, and costs measured for it" in said.err
    assert "measuring" not in said.err  # refused before
    assert ((copied / DOCUMENT).read_bytes(), (copied / PICTURE).read_bytes()) == before


def test_an_update_writes_both_files_where_it_is_told_to(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maintainers.benchmarks.fleet.command.measure", lambda: COSTS)
    (copied / PICTURE).write_text("", encoding="utf-8")

    assert main(["--update-docs"], copied) == 0
    written = part(copied / DOCUMENT, COMMAND)
    assert "made of paper" in written
    assert "the second level saves" not in written  # that is for users with a fleet of their own
    assert (copied / PICTURE).read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize(
    "change", [{"entry_bytes": None}, {"entry_bytes": -1}, {"store": 3}, {"machine": None}, {"more": 1}]
)
def test_costs_that_are_none_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({**asdict(COSTS), **change}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"costs\.json"):
        read(path)


def test_measured_costs_are_those_of_real_work(caplog: pytest.LogCaptureFixture) -> None:
    costs = measure()

    assert all(each > 0 for each in asdict(costs).values() if isinstance(each, float))
    assert min(costs.entry_bytes, costs.token_bytes) > 1_500  # both hold a whole token
    assert costs.session_bytes > 500
    written = [record.getMessage() for record in caplog.records if record.name == "shared.telemetry.request_record"]
    assert len(written) > 300  # a known token's cost is that of a whole request, with its line in the log
    assert all("status=204" in line and "tokens=Graph:hit" in line for line in written)


def test_costs_are_measured_with_the_log_as_a_deployed_api_has_it() -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with log_at_info():
        assert (root.level, len(root.handlers)) == (logging.INFO, len(before[1]) + 1)
    assert (root.level, root.handlers) == before


def test_the_document_shows_the_picture() -> None:
    assert f"]({Path(PICTURE).name})" in (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert (ROOT / PICTURE).exists()


def test_the_document_shows_measured_costs_and_the_usual_fleet() -> None:
    shown, usual = part(ROOT / DOCUMENT, COMMAND), Fleet()

    assert "made up" not in shown
    assert "paper" not in shown
    assert f"The usual fleet (\\*): {described(usual)}." in shown
    for defined, (header, rows) in zip(parts(usual)[:1], tables_in(ROOT / DOCUMENT, COMMAND), strict=True):
        assert header == [defined.title, *HEADER]
        starred = [f"{row.title} \\*" if row.fleet == usual else row.title for row in defined.rows]
        assert [cells[0] for cells in rows] == starred
