"""The Bicep compiler: no diagnostics for infra/, the places where it is found, and an error when it ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.infra import bicep
from tests.infra.bicep import BicepError, Compiler
from tests.infra.project import Project, leaves

# A version of which there is nothing newer that is fit for use, by its type.
OLD_ON_PURPOSE = {
    "Microsoft.Insights/diagnosticSettings": "since 2021 there is only a preview; the last stable version is of 2016",
}


def test_the_compiler_and_its_linter_say_nothing(project: Project) -> None:
    assert list(project.diagnostics) == []


def test_the_files_are_formatted(project: Project, compiler: Compiler) -> None:
    files = [path for path in project.texts if path.endswith((".bicep", ".bicepparam"))]
    assert len(files) > 10
    unformatted = [path for path in files if compiler.format(project.root / path) != project.texts[path]]
    assert unformatted == [], "type: bicep format FILE"


def old_versions(project: Project, folder: Path) -> list[str]:
    """What the linter says about API versions of more than two years, the exceptions aside."""
    copy = project.copy(folder)
    path = copy.root / "infra" / "bicepconfig.json"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    configuration["analyzers"]["core"]["rules"]["use-recent-api-versions"] = {"level": "warning", "maxAgeInDays": 730}
    path.write_text(json.dumps(configuration), encoding="utf-8")
    return [line for line in copy.diagnostics if not any(f"'{kind}'" in line for kind in OLD_ON_PURPOSE)]


def test_no_api_version_is_older_than_two_years(project: Project, tmp_path: Path) -> None:
    """Off in the shipped bicepconfig.json: azd compiles with it, and a user's build would break as time passes."""
    assert old_versions(project, tmp_path) == []


def test_an_old_version_is_named_with_the_newer_ones(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "old").changed("infra/key-vault.bicep", "vaults@2026-02-01", "vaults@2023-07-01")
    (line, *_) = old_versions(copy, tmp_path / "checked")
    assert "infra/key-vault.bicep" in line
    assert "Acceptable versions: " in line


def test_every_name_is_known_before_a_deployment(project: Project) -> None:
    """As `azd provision --preview` shows them. A role is named by the path of its identity, not by its object id."""
    for name in project.sets:
        for resource in project.snapshot(name)["predictedResources"]:
            known = {key: value for key, value in resource.items() if key in ("id", "name", "type", "apiVersion")}
            assert not any("[" in str(value) for _, value in leaves(known)), f"{name}: {known}"


@pytest.mark.skipif(os.name == "nt", reason="stand-ins are scripts with a #! line, which Windows does not start")
@pytest.mark.parametrize("place", ["path", "azd", "az"])
def test_the_compiler_is_found_where_people_have_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"path": tmp_path / "here", "azd": tmp_path / ".azd" / "bin", "az": tmp_path / ".azure" / "bin"}
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "here"))
    monkeypatch.delenv("AZD_CONFIG_DIR", raising=False)
    monkeypatch.delenv("AZURE_CONFIG_DIR", raising=False)
    assert bicep.find() is None
    file = folders[place] / "bicep"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n", encoding="utf-8")
    file.chmod(0o755)
    assert bicep.find() == str(file)


def stand_in(folder: Path, code: str) -> str:
    """A program in Python, with a name to start it by."""
    if os.name == "nt":
        pytest.skip("the stand-in is a script with a #! line, which Windows does not start")
    path = folder / "bicep"
    path.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_program_that_is_no_compiler_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BicepError, match="ended, or did not reply"):
        Compiler(stand_in(tmp_path, "print('hello')"))
    with pytest.raises(BicepError, match="cannot be started"):
        Compiler(str(tmp_path / "nothing"))


def test_a_compiler_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bicep, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(BicepError, match=r"did not reply within 0\.2 s"):
        Compiler(stand_in(tmp_path, "import sys; sys.stdin.buffer.read()"))


def test_a_compiler_that_is_too_old_is_named_with_what_is_needed(tmp_path: Path) -> None:
    reply = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"version": "0.30.23"}})
    code = f"print('Content-Length: {len(reply)}\\r\\n\\r\\n{reply}', end='', flush=True)\nimport sys; sys.stdin.read()"
    with pytest.raises(BicepError, match=r"Bicep 0\.30\.23 at .* is too old: 0\.37\.1 or newer is needed"):
        Compiler(stand_in(tmp_path, code))


def test_the_compilers_own_words_reach_the_reader(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path).changed("infra/key-vault.bicep", "properties: {", "properties: (")
    with pytest.raises(BicepError, match=r"infra/key-vault\.bicep\(\d+,\d+\) : Error BCP"):
        _ = copy.template
    with pytest.raises(BicepError):
        next(copy.deployments)
