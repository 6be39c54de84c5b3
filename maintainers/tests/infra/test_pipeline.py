"""The workflow that deploys: no secret, no more rights than it needs, and every option of main.bicep."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra import program
from tests.infra.project import ROOT

FILE = ROOT / ".github" / "workflows" / "deploy.yml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["deploy"]["steps"]
OPTIONS = next(step for step in STEPS if step.get("name") == "Take over the options")
AZD = """#!/bin/sh
printf '%s\\n' "$@" >> "$CALLS"
printf 'end of call\\n' >> "$CALLS"
"""


def test_it_holds_no_secret_and_asks_for_two_permissions() -> None:
    assert "secrets." not in TEXT
    assert "client-secret" not in TEXT
    assert WORKFLOW["permissions"] == {"contents": "read", "id-token": "write"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())
    (sign_in,) = [step["run"] for step in STEPS if "auth login" in step.get("run", "")]
    assert "--federated-credential-provider github" in sign_in


def test_it_starts_by_hand_alone() -> None:
    """YAML 1.1 reads the key `on` as true. A pull request of a stranger must never start it."""
    assert WORKFLOW[True] == {"workflow_dispatch": None}


def test_foreign_steps_are_pinned() -> None:
    used = re.findall(r"uses: (\S+)@(\S+) # (.+)", TEXT)
    assert len(used) == TEXT.count("uses:")
    for name, version, comment in used:
        assert re.fullmatch(r"[0-9a-f]{40}", version) or "pin it" in comment, name
        assert comment


def test_it_provisions_before_it_deploys() -> None:
    commands = [
        found for step in STEPS for found in re.findall(r"azd (auth|env|provision|deploy)", step.get("run", ""))
    ]
    assert list(dict.fromkeys(commands)) == ["auth", "env", "provision", "deploy"]


@pytest.mark.skipif(os.name == "nt", reason="the runner is Linux")
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not here; GitHub's runners have it")
def test_each_option_is_taken_over_and_nothing_else(tmp_path: Path) -> None:
    azd = tmp_path / "azd"
    azd.write_text(AZD, encoding="utf-8")
    azd.chmod(0o755)
    options = {
        "CLIENT_CREDENTIAL": "managedIdentity",
        "BROWSER_ORIGINS": '["https://app.example.com"]',
        "EXISTING_CERTIFICATE_PEM": "-----BEGIN CERTIFICATE-----MIIB-----END CERTIFICATE-----",
        "REGISTRATION_OWNER_IDS": '["$(touch broken)"]',
    }
    others = {"AZURE_ENV_NAME": "prod", "SOMETHING_ELSE": "x", "PURGE_PROTECTION": ""}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", OPTIONS["run"]],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "VARIABLES": json.dumps({**options, **others}),
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls = (tmp_path / "calls").read_text(encoding="utf-8").split("end of call\n")[:-1]
    assert sorted(calls) == sorted(f"env\nset\n{name}={value}\n" for name, value in options.items())
    assert not (ROOT / "broken").exists()


def test_the_workflows_are_clean_under_actionlint() -> None:
    command = program("actionlint")
    if command is None:
        pytest.skip("actionlint is not here: go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12")
    files = sorted(str(path) for path in FILE.parent.glob("*.yml"))
    result = subprocess.run([command, *files], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("", 0)
