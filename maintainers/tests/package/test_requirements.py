"""The installation that the check before deployment makes: what pip runs, and what it can see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import package_requirements
import pytest


def test_a_module_of_the_project_does_not_run_in_place_of_pip(tmp_path: Path) -> None:
    for name in ("pip", "logging"):
        (tmp_path / f"{name}.py").write_text("open('ran.txt', 'w').close()\n", encoding="utf-8")

    package_requirements.pip(sys.executable, tmp_path / "packages", "--help", cwd=tmp_path)

    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.skipif(os.name == "nt", reason="stands in for Python with a shell script")
def test_what_pip_builds_sees_the_index_and_no_value_of_azd_or_a_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n", encoding="utf-8")
    python.chmod(0o700)
    secret = ("AZURE_CLIENT_SECRET", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITHUB_TOKEN", "AzureAd__ClientSecret")
    needed = ("PIP_INDEX_URL", "HTTPS_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE")
    for name in (*secret, *needed):
        monkeypatch.setenv(name, "a value")

    package_requirements.pip(str(python), tmp_path / "packages", "-r", "requirements.txt", cwd=tmp_path)

    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text(encoding="utf-8").splitlines()}
    assert seen.isdisjoint(secret)
    assert seen.issuperset({*needed, "PATH"})
