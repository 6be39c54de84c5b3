"""What a person adds breaks nothing: `check --infra` stays green, and the suite names only the snapshots to renew."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maintainers.tests.infra import snapshots
from maintainers.tests.infra.test_registrations import SCOPE
from tests.infra.project import ROOT, Project
from tests.infra.rules import problems

NOT_COPIED = (".git", ".venv*", ".local", ".azure", "__pycache__", ".*_cache", "local.settings.json*")
QUEUE = """
  resource queues 'queueServices' = {
    name: 'default'

    resource incoming 'queues' = {
      name: 'incoming'
    }
  }

  resource blobs 'blobServices' = {"""
ADDITIONS = [  # as docs/extend.md has it
    ("infra/app-registrations.bicep", "\n]\n\n// <orders>\nvar ordersScopes", SCOPE.format("orders.write")),
    ("infra/function-app.bicep", "\n  resource blobs 'blobServices' = {", QUEUE),
    (
        "infra/function-app.bicep",
        "      AzureWebJobsStorage__credential:",
        "      IncomingQueue__Url: storage.properties.primaryEndpoints.queue\n      AzureWebJobsStorage__credential:",
    ),
    ("infra/main.bicep", "      AzureAd__Scopes: 'access", "      PAGE_SIZE: '50'\n      AzureAd__Scopes: 'access"),
]
ON_THE_LAPTOP = [('scopes = ["access_as_user"]', 'scopes = ["access_as_user", "orders.write"]')]
QUICK = (
    "tests/infra/test_rules.py",
    "maintainers/tests/infra/test_snapshots.py",
    "maintainers/tests/infra/test_registrations.py",
)


def extended(project: Project) -> Project:
    """A copy with one more scope, two more app settings and a storage queue."""
    for path, old, new in ADDITIONS + [("local-stack.toml", *change) for change in ON_THE_LAPTOP]:
        project = project.changed(path, old, new)
    return project


def test_the_check_stays_green(project: Project, tmp_path: Path) -> None:
    copy = extended(project.copy(tmp_path))
    assert list(copy.diagnostics) == []
    assert list(problems(copy, makers=False)) == []
    changed = snapshots.differences(project.snapshot("certificate"), copy.snapshot("certificate"))
    assert changed, "the additions are not in the snapshot, so this test tests nothing"


def test_the_suite_names_only_the_snapshots_to_renew(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
    extended(Project(folder, project.compiler))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.MULTILINE))
    assert failed == {"test_the_committed_snapshot_is_what_the_bicep_makes"}, done.stdout
    assert f"renew it: {snapshots.RENEW}" in done.stdout


@pytest.mark.parametrize("name", ["certificate"])
def test_a_renewed_copy_has_nothing_left_to_renew(name: str, project: Project, tmp_path: Path) -> None:
    copy = extended(project.copy(tmp_path))
    snapshots.write(tmp_path, name, copy.compiler.version, copy.snapshot(name))
    renewed = snapshots.committed(tmp_path, name)
    assert renewed.pop("bicep") == copy.compiler.version
    assert snapshots.differences(renewed, copy.snapshot(name)) == []
