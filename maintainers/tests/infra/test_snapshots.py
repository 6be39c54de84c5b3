"""The committed snapshots are what the Bicep makes, and make a difference readable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maintainers.tests.infra import snapshots
from tests.infra.bicep import Compiler
from tests.infra.project import PARAMETERS, ROOT, Project
from tests.infra.rules import GROUPS, problems


def names(folder: str, suffix: str) -> list[str]:
    """The names of the files below a folder, without their suffix: `certificate`, `registrations/first`."""
    paths = (ROOT / folder).rglob(f"*{suffix}")
    return sorted(path.relative_to(ROOT / folder).as_posix().removesuffix(suffix) for path in paths)


SETS = names(PARAMETERS, ".bicepparam")


@pytest.mark.parametrize("name", SETS)
def test_the_committed_snapshot_is_what_the_bicep_makes(name: str, project: Project, compiler: Compiler) -> None:
    committed = snapshots.committed(ROOT, name)
    version = committed.pop("bicep")
    found = snapshots.differences(committed, project.snapshot(name))
    if found and version and version != compiler.version:
        pytest.skip(f"the snapshot was made by Bicep {version} and this is {compiler.version}: they may differ")
    assert found == [], f"read the difference, then renew it: {snapshots.RENEW}"


def test_there_is_no_snapshot_without_its_parameters() -> None:
    assert names(snapshots.FOLDER, ".json") == SETS


def test_a_snapshot_is_written_as_it_is_read(tmp_path: Path) -> None:
    snapshots.write(tmp_path, "new", "0.49.2", {"predictedResources": [{"b": 1, "a": "ä"}], "outputs": {}})
    assert snapshots.committed(tmp_path, "new") == {
        "bicep": "0.49.2",
        "predictedResources": [{"a": "ä", "b": 1}],
        "outputs": {},
    }
    assert snapshots.committed(tmp_path, "none")["predictedResources"] == []


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [".a.b[1]: 2 → 3"]),
        ({"a": [1]}, {"a": [1, 2]}, [".a: [1] → [1, 2]"]),
        ({}, {"a": "x" * 200}, [f'.a: null → "{"x" * 116}...']),
    ],
)
def test_a_difference_is_named_by_its_place(old: object, new: object, lines: list[str]) -> None:
    assert snapshots.differences(old, new) == lines


@pytest.fixture(scope="module")
def as_committed(project: Project) -> Project:
    """The project with its committed snapshots."""
    return replace(project, committed=ROOT / snapshots.FOLDER)


@pytest.mark.parametrize("group", GROUPS)
def test_the_template_is_as_designed_and_documented(group: str, as_committed: Project) -> None:
    """On the committed snapshots: what a user adds changes nothing here until they renew them."""
    assert list(problems(as_committed, group, makers=True)) == []
