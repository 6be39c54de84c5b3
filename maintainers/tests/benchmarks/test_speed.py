"""docs/performance.md against the script that measures it, and the script itself, quickly."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maintainers.benchmarks.document import part, tables_in
from maintainers.benchmarks.speed.command import COMMAND, DOCUMENT
from maintainers.benchmarks.speed.definition import FLOORS, MISSING, ROWS
from maintainers.benchmarks.speed.measured import Measured
from maintainers.benchmarks.speed.result import Result, Spread, compared
from maintainers.benchmarks.speed.rows import GROUPS
from maintainers.benchmarks.speed.rows.requests import of_logged, of_quiet, without_its_line
from maintainers.benchmarks.speed.tables import FLOOR_HEADER, HEADER, as_blocks, as_markdown
from maintainers.benchmarks.speed.targets import BAND
from maintainers.tests.redis.server import WHY_NOT, program
from shared.telemetry.request_record import RequestRecord

ROOT = Path(__file__).parents[3]
NEEDS_REDIS = {"processes", "redis-get", "redis-put"}
NEEDS_HTTPX2 = {"awaiting", "crowd"}


def bench(*options: str, **environ: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "maintainers.benchmarks", "--quick", "--json", *options],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=280,
    )
    measured: dict[str, Any] = json.loads(result.stdout or "{}")
    assert (result.returncode, measured.get("problems")) == (0, {}), result.stderr
    return measured


def text() -> str:
    return (ROOT / DOCUMENT).read_text(encoding="utf-8")


def test_the_document_has_the_rows_and_columns_of_the_definition() -> None:
    figures, floors = tables_in(ROOT / DOCUMENT, COMMAND)

    assert (figures[0], floors[0]) == (list(HEADER), list(FLOOR_HEADER))
    assert [row[0] for row in figures[1]] == [row.title for row in ROWS]
    assert [row[HEADER.index("target")] for row in figures[1]] == [row.target.text for row in ROWS if row.target]
    assert [row[0] for row in floors[1]] == [row.title for row in FLOORS]


def test_the_document_shows_what_was_measured_whole() -> None:
    figures, floors = tables_in(ROOT / DOCUMENT, COMMAND)

    assert {row[-1] for row in figures[1]} <= {"yes", "**no**"}
    for defined, shown in zip(ROWS, figures[1], strict=True):
        assert shown[1] != MISSING
        assert (shown[2] != MISSING, shown[3] != MISSING) == (bool(defined.peer), bool(defined.floor)), defined.key
    assert all(row[1] != MISSING for row in floors[1])
    assert "Quick" not in text()


def test_every_missed_target_is_explained_and_no_other() -> None:
    begin, end = text().index("## Where a target is missed"), text().index("## Cold start")
    missed = [row[0] for row in tables_in(ROOT / DOCUMENT, COMMAND)[0][1] if row[-1] == "**no**"]

    explained = [line.split("**")[1] for line in text()[begin:end].splitlines() if line.startswith("**")]
    assert sorted(explained) == sorted(missed)


RATE = r"[\d,]+/s, \d\.\d\d of"
LOGGED = r"a hello route that writes no line: [\d,]+/s, so the line alone leaves \d\.\d\d of it"
QUIET = rf"ours without its line: {RATE} the hello route"


@pytest.mark.parametrize(
    ("said", "key", "note"),
    [
        (
            "(the note below the table has what it takes)",
            "exchange",
            r"`OnBehalfOfCredential` for each caller: [\d.]+ ms",
        ),
        ("`azure-functions` SDK. The note below the table says which.", "requests", r"the \w+ engine"),
        ("the notes below the table say how much the hello route loses", "requests", LOGGED),
        ("the notes below the table say how much the hello route loses", "served", LOGGED),
        ("Without it this row would come to what its note says last", "requests", QUIET),
        ("is `Session.size()` (the note on memory below the table)", "memory", r"Session\.size\(\) says [\d.]+ KB"),
    ],
    ids=["a credential each", "the engine", "logged, alone", "logged, over HTTP", "without the line", "memory"],
)
def test_a_note_that_the_text_refers_to_is_there(said: str, key: str, note: str) -> None:
    title = next(row.title for row in ROWS if row.key == key)
    (line,) = (line for line in part(ROOT / DOCUMENT, COMMAND).splitlines() if line.startswith(f"- {title}: "))

    assert said in " ".join(text().split())
    assert re.search(note, line)


def test_the_notes_on_the_log_are_worded_as_the_document_is_read() -> None:
    taken = {"hello": [6000.0, 6100.0, 100.0], "logged": [4200.0], "quiet": [4620.0]}

    assert re.fullmatch(LOGGED, of_logged(taken))
    assert re.fullmatch(QUIET, of_quiet(taken))
    assert of_quiet(taken) == "ours without its line: 4,620/s, 0.77 of the hello route"


def test_without_its_line_a_request_writes_none_and_the_next_one_does_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with without_its_line():
        RequestRecord().close(200)
    assert caplog.messages == []

    RequestRecord().close(200)
    assert len(caplog.messages) == 1


def test_the_document_names_the_shape_of_the_machine_and_not_the_machine() -> None:
    line = next(line for line in text().splitlines() if line.startswith("Measured on "))
    assert " cores, " in line
    assert ", Python 3." in line
    assert "PyJWT " in line
    assert platform.node() not in line.split()
    assert str(ROOT) not in text()


def test_every_group_is_measured_and_has_rows() -> None:
    assert {row.group for row in (*ROWS, *FLOORS)} == set(GROUPS)
    keys = [row.key for row in (*ROWS, *FLOORS)]
    assert len(keys) == len(set(keys))


def test_quick_measures_every_row() -> None:
    measured = bench()

    keys = {row["row"]: row for row in measured["rows"]}
    expected = {row.key for row in (*ROWS, *FLOORS)} - (NEEDS_REDIS if program() is None else set())
    expected -= NEEDS_HTTPX2 if importlib.util.find_spec("httpx2") is None else set()
    assert set(keys) == expected
    assert measured["quick"] is True
    assert keys["threads"]["ours"]["median"] == 1  # this one is counted, whatever the machine is busy with
    assert keys["threads"]["peer"]["median"] > 1
    assert re.search(f"; {LOGGED}; {QUIET}$", keys["requests"]["note"])
    assert keys["memory"]["ours"]["median"] < keys["memory"]["peer"]["median"]
    assert {row["met"] for row in measured["rows"]} == {None}  # a target is neither met nor missed by such figures
    assert all(row["ours"]["low"] <= row["ours"]["median"] <= row["ours"]["high"] for row in keys.values())


def test_one_row_alone_and_without_redis_it_is_skipped_by_name(tmp_path: Path) -> None:
    measured = bench("--row", "redis-get", PATH=str(tmp_path))

    assert measured["rows"] == []
    assert measured["skipped"] == {"second_level": WHY_NOT}


def test_an_unknown_row_and_an_unknown_subject_are_refused() -> None:
    for arguments in (["--row", "nonsense"], ["speed", "--row", "nonsense"], ["nonsense"]):
        command = [sys.executable, "-m", "maintainers.benchmarks", *arguments]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=60)
        assert (result.returncode, result.stdout) == (2, "")
        assert ("invalid choice: 'nonsense'" if "--row" in arguments else "which subject?") in result.stderr


@pytest.mark.parametrize(("quick", "met"), [(True, ""), (False, "**no**")])
def test_a_quick_run_says_of_no_target_that_it_is_met_and_no_ratio_is_a_power_of_ten(quick: bool, met: str) -> None:
    row = next(row for row in ROWS if row.key == "exchange")
    measured = Measured(quick)
    measured.results[row.key] = compared(row.key, "time", [0.32], [0.001], [0.9996e-3])

    markdown, blocks = as_markdown(measured, [row]), as_blocks(measured, [row])
    cells = [cell.strip() for cell in markdown.splitlines()[2].split("|")[1:-1]]
    assert cells[HEADER.index("ours ÷ peer (range)")] == "320"
    assert cells[HEADER.index("met")] == met
    assert "e+0" not in markdown
    assert ("    met " in blocks) != quick
    assert ("These figures say nothing" in markdown) == quick


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was half as fast in the second round: that is no spread."""
    result = compared("x", "time", [1.0, 2.0, 1.0], [2.0, 4.0, 2.0])

    assert result.to_peer == Spread(0.5, 0.5, 0.5)
    assert result.ours == Spread(1.0, 1.0, 2.0)
    assert Result.from_dict(json.loads(json.dumps(result.as_dict()))) == result


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("known-1k", {"to_floor": 0.5}, {"to_floor": 0.51}),
        ("known-flat", {"ours": 1.1}, {"ours": 1.11}),
        ("call", {"to_peer": 0.75}, {"to_peer": 0.76}),
        ("new", {"to_peer": 1.1}, {"to_peer": 1.11}),
        ("exchange", {"to_peer": 1.1}, {"to_peer": 1.11}),
        ("threads", {"ours": 1}, {"ours": 2}),
        ("memory", {"ours": 4500}, {"ours": 4501}),
        ("resident", {"ours": 1.04}, {"ours": 1.06}),
        ("resident", {"ours": 0.96}, {"ours": 0.94}),
        ("requests", {"to_peer": 0.85}, {"to_peer": 0.84}),
        ("import", {"to_peer": 1.5}, {"to_peer": 1.51}),
        ("redis-put", {"to_peer": 1.3}, {"to_peer": 1.31}),
    ],
)
def test_targets(key: str, good: dict[str, float], bad: dict[str, float]) -> None:
    target = next(row.target for row in ROWS if row.key == key)
    assert target is not None
    blank = Result(key, "time", Spread.exactly(9e9))

    def shaped(figures: dict[str, float]) -> Result:
        spreads: dict[str, Any] = {name: Spread.exactly(value) for name, value in figures.items()}
        return replace(blank, **spreads)

    assert target.is_met(shaped(good), 1.0)
    assert not target.is_met(shaped(bad), 1.0)
    assert target.is_met(shaped(bad), BAND) != (key == "threads")  # two exchanges for one token are not within any band
    assert not target.is_met(blank, BAND)
