"""`check --infra`: what is found must pass, what is missing is named, and the exit code says which."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.infra.arm import template
from tests.infra.evaluator import VARIANTS, deploy
from tests.infra.project import Project
from tests.infra.tools import ACCEPTED, TOOLS, Outcome, Tool, bicep, checkov, compiles, main

GOOD = Outcome(ran=True, good=True)
WARNING = "main.bicep(3,5) : Warning BCP037: The property is not allowed"


def python(name: str, run: Outcome) -> Tool:
    """A tool whose program is there for sure."""
    return Tool(name, "nothing", lambda found: run, (Path(sys.executable).name,))


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
    assert main((python("here", GOOD), missing), lambda: GOOD) == 0
    said = capsys.readouterr().err
    assert "-- no-such-program\n   not found; a shop\n   not run\n" in said
    assert said.endswith("check --infra: pytest, here: all good; not run: no-such-program\n")


def test_one_failure_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Outcome(ran=True, good=False, words="line 3: wrong\n")
    assert main((python("a", bad), python("b", GOOD), python("c", bad)), lambda: GOOD) == 1
    said = capsys.readouterr().err
    assert "-- a\n   line 3: wrong\n-- b\n-- c\n" in said
    assert said.endswith("check --infra: failed: a, c\n")


def test_failing_tests_fail_it() -> None:
    assert main((), lambda: Outcome(ran=True, good=False)) == 1


def test_every_tool_says_what_brings_it() -> None:
    assert [tool.name for tool in TOOLS] == ["bicep", "azd", "checkov", "shellcheck", "actionlint"]
    assert all(tool.brought_by for tool in TOOLS)


@pytest.mark.parametrize(("says", "code", "good"), [("{}", 0, True), (WARNING, 0, False), ("broken", 1, False)])
def test_a_warning_of_bicep_is_an_error(tmp_path: Path, says: str, code: int, good: bool) -> None:
    program = tmp_path / "bicep.py"
    program.write_text(f"print({says!r})\nraise SystemExit({code})\n", encoding="utf-8")
    outcome = compiles([sys.executable, str(program)])
    assert (outcome.ran, outcome.good) == (True, good)
    assert good or says in outcome.words


def test_an_az_without_bicep_is_not_made_to_download_it(tmp_path: Path) -> None:
    outcome = bicep(stand_in(tmp_path, "az", "Bicep CLI not found.", 1))
    assert (outcome.ran, outcome.good) == (False, True)
    assert "az bicep install" in outcome.words


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


def test_the_template_is_arms(project: Project) -> None:
    found = template(deploy(project, **VARIANTS["certificate"]))
    text = json.dumps(found)
    assert "Microsoft.Graph" not in text
    settings = [each for each in found["resources"] if each["type"] == "Microsoft.Web/sites/config"]
    assert all(each["name"].endswith("/appsettings") for each in settings)
    roles = [each for each in found["resources"] if each["type"] == "Microsoft.Authorization/roleAssignments"]
    assert {each["scope"].split("/")[6] for each in roles} == {
        "Microsoft.Insights",
        "Microsoft.KeyVault",
        "Microsoft.Storage",
    }
