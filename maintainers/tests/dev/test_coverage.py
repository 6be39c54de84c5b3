"""`dev.py test --coverage`: what it counts, and when it fails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from maintainers.tests.dev.project import ROOT, Project

SHARED = '''"""What is measured."""

__version__ = "1.2.3"


def sign(number: int) -> int:
    if number < 0:
        number = -1
    return number
'''
IN_THE_TEST = """
from shared import sign


def test_it() -> None:
    assert [sign(-5), sign(5)] == [-1, 5]
"""
IN_A_PROCESS = """
import subprocess, sys


def test_it() -> None:
    subprocess.run([sys.executable, "-c", "from shared import sign; sign(-5); sign(5)"], check=True)
"""
IN_A_THREAD = """
import threading

from shared import sign


def test_it() -> None:
    threads = [threading.Thread(target=sign, args=(number,)) for number in (-5, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
A_BRANCH_IS_MISSED = """
from shared import sign


def test_it() -> None:
    assert sign(-5) == -1
"""
IT_FAILS = """
def test_it() -> None:
    assert False
"""


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project whose shared/ is one function."""
    for name in ("dev.py", ".coveragerc", "pytest.ini"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text(SHARED, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    return Project(tmp_path)


def measured(project: Project, test: str) -> tuple[int, str]:
    """The exit code and the output of `dev.py test --coverage`, with that as the only test."""
    (project.root / "tests" / "test_it.py").write_text(test, encoding="utf-8")
    result = project.dev("test", "--coverage")
    return result.returncode, result.stdout


@pytest.mark.parametrize("test", [IN_THE_TEST, IN_A_PROCESS, IN_A_THREAD], ids=["test", "process", "thread"])
def test_what_the_tests_reach_counts_wherever_it_runs(small: Project, test: str) -> None:
    code, output = measured(small, test)

    assert code == 0, output
    assert re.search(r"^TOTAL .* 100\.0%", output, re.MULTILINE)


def test_a_missed_branch_fails_and_is_named(small: Project) -> None:
    code, output = measured(small, A_BRANCH_IS_MISSED)

    assert code != 0
    assert re.search(r"^shared/__init__\.py .* 7->9$", output.replace("\\", "/"), re.MULTILINE)
    assert "less than fail-under=95" in output


def test_the_figure_of_an_earlier_run_is_gone(small: Project) -> None:
    assert measured(small, IN_THE_TEST)[0] == 0
    assert measured(small, A_BRANCH_IS_MISSED)[0] != 0


def test_a_failed_test_fails_before_anything_is_reported(small: Project) -> None:
    code, output = measured(small, IT_FAILS)

    assert code == 1
    assert "TOTAL" not in output


def test_all_of_shared_is_measured_and_nothing_else() -> None:
    configuration = (ROOT / ".coveragerc").read_text(encoding="utf-8")

    assert re.search(r"^source = shared$", configuration, re.MULTILINE)
    assert "omit" not in configuration
    assert [
        path for path in (ROOT / "shared").rglob("*.py") if "pragma: no cover" in path.read_text(encoding="utf-8")
    ] == []
