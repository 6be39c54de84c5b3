"""A module of the user's that has no types: what the checks say, and that docs/extend.md says how to take it out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maintainers.tests.dev.project import ROOT

EXTEND = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
UNTYPED = """import json, os

def people(count):
    print(count)
    return json.dumps(list(range(count)))
"""
APP = '''"""The app."""

from people_blueprint import people

print_people = people
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The settings of the checks, one typed module, and one that is not."""
    for name in ("mypy.ini", "ruff.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "people_blueprint.py").write_text(UNTYPED, encoding="utf-8")
    (tmp_path / "function_app.py").write_text(APP, encoding="utf-8")
    return tmp_path


def follow_the_page(project: Path) -> None:
    """What docs/extend.md says to write into the two files."""
    (section,) = re.findall(r"```ini\n(\[mypy-people_blueprint\].+?)```", EXTEND, re.DOTALL)
    (line,) = re.findall(r"```toml\n(extend-exclude = .+people_blueprint.+)\n```", EXTEND)
    mypy, ruff = project / "mypy.ini", project / "ruff.toml"
    mypy.write_text(f"{mypy.read_text(encoding='utf-8')}\n{section}", encoding="utf-8")
    changed, count = re.subn(r"(?m)^extend-exclude = .+$", line, ruff.read_text(encoding="utf-8"))
    assert count == 1
    ruff.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize("check", [["mypy", "function_app.py"], ["ruff", "check"], ["ruff", "format", "--check"]])
def test_a_module_without_types_is_named_and_can_be_taken_out(project: Path, check: list[str]) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *check]
        return subprocess.run(command, cwd=project, capture_output=True, encoding="utf-8", check=False)

    before = run()
    follow_the_page(project)
    after = run()

    assert before.returncode != 0
    assert "people_blueprint.py" in before.stdout
    assert after.returncode == 0, after.stdout
