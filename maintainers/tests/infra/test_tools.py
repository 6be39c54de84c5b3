"""`check --infra`: each installed tool must pass, each missing tool is named, and the exit code tells the result."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from maintainers.tests.infra import snapshots
from tests.infra import bicep, tools
from tests.infra.project import Project
from tests.infra.tools import ACCEPTED, TOOLS, Outcome, Tool, bicep_and_rules, checkov, main

GOOD = Outcome(ran=True, good=True)


def python(name: str, run: Outcome) -> Tool:
    """A tool whose program is there for sure."""
    return Tool(name, "nothing", lambda found: run, lambda name: sys.executable)


def stand_in(folder: Path, name: str, says: str, code: int = 0) -> str:
    """A program that says one thing, whatever it is asked."""
    if os.name == "nt":
        pytest.skip("the stand-in is a script with a #! line, which Windows does not start")
    path = folder / name
    path.write_text(f"#!{sys.executable}\nprint({says!r})\nraise SystemExit({code})\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_what_is_missing_is_named_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    missing = Tool("no-such-program", "a shop", lambda found: Outcome(ran=True, good=False))
    assert main((python("here", GOOD), missing)) == 0
    said = capsys.readouterr().err
    assert "-- no-such-program\n   not found; a shop\n   not run\n" in said
    assert said.endswith("check --infra: here: all good; not run: no-such-program\n")


def test_one_failure_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Outcome(ran=True, good=False, words="line 3: wrong\n")
    assert main((python("a", bad), python("b", GOOD), python("c", bad))) == 1
    said = capsys.readouterr().err
    assert "-- a\n   line 3: wrong\n-- b\n-- c\n" in said
    assert said.endswith("check --infra: failed: a, c\n")


def test_every_tool_says_what_brings_it() -> None:
    assert [tool.name for tool in TOOLS] == ["bicep", "azd", "checkov", "shellcheck", "actionlint"]
    assert all(tool.brought_by for tool in TOOLS)


@pytest.fixture
def copy(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the project, which the tools take for the project."""
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    monkeypatch.setattr(snapshots, "ROOT", tmp_path)
    return project.copy(tmp_path)


def check(copy: Project) -> Outcome:
    """What `check --infra` says about the Bicep of a copy."""
    found = bicep.find()
    assert found is not None
    return bicep_and_rules(found)


def test_bicep_and_the_rules_are_content(copy: Project) -> None:
    outcome = check(copy)
    assert (outcome.ran, outcome.good) == (True, True)
    assert outcome.words == f"Bicep {copy.compiler.version}, {len(copy.sets)} sets of parameters"


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        (
            "infra/key-vault.bicep",
            "enableSoftDelete:",
            "enableSoftDelette:",
            "infra/key-vault.bicep(49,5) : Warning BCP089: The property",
        ),
        ("infra/key-vault.bicep", "properties: {", "properties: (", "infra/key-vault.bicep(42,16) : Error BCP243: "),
        ("infra/function-app.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "must be False"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(copy: Project, path: str, old: str, new: str, words: str) -> None:
    outcome = check(copy.changed(path, old, new))
    assert (outcome.ran, outcome.good) == (True, False)
    assert words in outcome.words


def test_a_program_that_is_no_compiler_has_failed(tmp_path: Path) -> None:
    outcome = bicep_and_rules(stand_in(tmp_path, "bicep", "hello"))
    assert (outcome.ran, outcome.good) == (True, False)
    assert "ended, or did not reply" in outcome.words


def test_snapshots_are_renewed_and_name_their_version(copy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshots.main() == 0
    written = sorted((copy.root / "maintainers/tests/infra/snapshots").glob("*.json"))
    assert [path.stem for path in written] == copy.sets
    assert {json.loads(path.read_text(encoding="utf-8"))["bicep"] for path in written} == {copy.compiler.version}
    assert f"certificate.json: Bicep {copy.compiler.version}\n" in capsys.readouterr().err


def test_without_a_compiler_it_is_said_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bicep, "find", lambda: None)
    assert snapshots.main() == 1
    assert "az bicep install" in capsys.readouterr().err
    assert TOOLS[0].check() == Outcome(ran=False, good=True, words=f"not found; {TOOLS[0].brought_by}")
    assert not checkov("checkov").ran


@pytest.mark.parametrize(
    ("passed", "failed", "good", "words"),
    [
        (3, [], True, "3 checks passed"),
        (0, [], False, "checkov checked nothing"),
        (2, [{"check_id": "CKV_1", "check_name": "Keys", "resource": "a"}], False, "CKV_1 Keys: a"),
    ],
)
def test_checkov_must_have_checked_something_and_found_nothing(
    project: Project, tmp_path: Path, passed: int, failed: list[dict[str, str]], good: bool, words: str
) -> None:
    report = json.dumps({"summary": {"passed": passed}, "results": {"failed_checks": failed}})
    outcome = checkov(stand_in(tmp_path, "checkov", report))
    assert (outcome.good, outcome.words) == (good, words)


def test_checkov_that_breaks_off_has_failed(project: Project, tmp_path: Path) -> None:
    assert not checkov(stand_in(tmp_path, "checkov", "Traceback (most recent call last):", 2)).good


def test_every_exception_from_checkov_has_its_reason() -> None:
    assert all(
        name.startswith("CKV_AZURE_") and len(reason) > len("CKV_AZURE_100") for name, reason in ACCEPTED.items()
    )
