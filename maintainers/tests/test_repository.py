"""What a repository needs in addition to code: a version, a changelog, pinned actions, updates of dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import shared
from emulators.upgrade import checked_address, own_address
from maintainers.tests.dev.project import ROOT, Project

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NOT_PINNED: dict[str, str] = {}
"""Actions whose commit could not be found, with the reason. They are used by their version."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_azure_yaml_and_the_changelog_name_the_version_of_shared() -> None:
    azd = yaml.safe_load(text("azure.yaml"))
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text("CHANGELOG.md"), re.MULTILINE)

    assert azd["metadata"]["template"] == f"{azd['name']}@{shared.__version__}"
    assert released[0] == shared.__version__
    assert sorted(released, key=numbers, reverse=True) == released


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_changelog_keeps_to_its_form() -> None:
    lines = text("CHANGELOG.md").splitlines()
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}

    assert next(line for line in lines if line.startswith("## ")) == "## [Unreleased]"
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_is_what_upgrade_reads() -> None:
    """Sections with security first, and in them entries: `- ` and lines that are indented by two."""
    for release in re.split(r"^## ", text("CHANGELOG.md"), flags=re.MULTILINE)[1:]:
        head, *sections = re.split(r"^### ", release, flags=re.MULTILINE)
        kinds = [section.partition("\n")[0] for section in sections]

        assert re.match(r"\[(Unreleased|\d+\.\d+\.\d+)\]", head), head
        assert "Security" not in kinds[1:]
        assert len({*kinds}) == len(kinds)
        for line in "".join(section.partition("\n")[2] for section in sections).splitlines():
            assert line == "" or re.match(r"(- |  )\S", line), line


def test_the_address_of_the_template_is_one_that_upgrade_takes() -> None:
    address = own_address(ROOT)

    assert address == "" or checked_address(address) == address


def test_each_breaking_change_of_this_version_has_upgrade_notes() -> None:
    newest = text("CHANGELOG.md").split("\n## [")[2]
    breaking = re.findall(r"\*\*Breaking:\*\* (.+)", newest)
    notes = re.findall(r"^## (.+)", text("docs/upgrade.md"), re.MULTILINE)

    assert newest.startswith(shared.__version__)
    assert len(breaking) >= 4
    assert len(notes) >= len(breaking)


def test_dev_py_tells_the_version_before_anything_is_installed(tmp_path: Path) -> None:
    bare = Project.copy(tmp_path)

    result = bare.dev("--version", DEV_PYTHON="no-such-python")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"azure-functions-on-behalf-of-python {shared.__version__}\n"
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_with_its_version_in_a_comment(workflow: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", workflow.read_text(encoding="utf-8"), re.MULTILINE)

    assert used
    loose = [each for each in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    assert [each for each in loose if each.partition("@")[0] not in NOT_PINNED] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    found: dict[str, set[str]] = {}
    for workflow in WORKFLOWS:
        for name, rest in re.findall(r"uses: ([^@\s]+)@(.+)", workflow.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(rest)

    assert {name: pins for name, pins in found.items() if len(pins) > 1} == {}
    assert {name for name in NOT_PINNED if name not in found} == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_write_nothing(workflow: Path) -> None:
    parsed: dict[Any, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    granted = [parsed["permissions"], *(job.get("permissions", {}) for job in parsed["jobs"].values())]

    assert {value for each in granted for key, value in each.items() if key != "id-token"} == {"read"}
    assert all("timeout-minutes" in job for job in parsed["jobs"].values())


def test_the_audit_looks_at_what_is_deployed_and_runs_without_a_push() -> None:
    audit: dict[Any, Any] = yaml.safe_load(text(".github/workflows/audit.yml"))
    steps = [step.get("run", "") for job in audit["jobs"].values() for step in job["steps"]]

    assert {"push", "pull_request", "schedule"} == set(audit[True])  # YAML 1.1 reads the key `on` as true
    assert any("pip_audit --requirement requirements.txt" in step for step in steps)


def test_the_audit_sees_every_package_because_all_versions_are_exact() -> None:
    lines = [line.partition("#")[0].strip() for line in text("requirements.txt").splitlines()]

    assert [line for line in lines if line and not re.match(r"[\w.-]+==[\w.]+(;|$)", line)] == []


def test_dependabot_watches_every_list_of_packages_and_the_actions() -> None:
    updates = yaml.safe_load(text(".github/dependabot.yml"))["updates"]
    watched = {(each["package-ecosystem"], each["directory"]) for each in updates}
    tracked = subprocess.run(
        ["git", "ls-files", "*requirements*.txt"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    ).stdout.split()
    lists = tracked or ["requirements.txt", "maintainers/benchmarks/requirements.txt"]  # a copy without .git
    folders = {f"/{Path(name).parent.as_posix()}".removesuffix("/.") or "/" for name in lists}

    assert watched == {("github-actions", "/"), *(("pip", folder) for folder in folders)}
    assert {each["schedule"]["interval"] for each in updates} <= {"weekly", "monthly"}


def test_the_widest_line_of_the_help_fits_80_columns(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "dev.py"), "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)

    assert max(map(len, result.stdout.splitlines())) <= 80
