"""A shell has its background jobs ignore SIGINT. The suite runs there as in a terminal, and Ctrl-C ends it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_IGNORING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
_CHILD = """
import signal, subprocess, sys

PROGRAM = "import time; print('up', flush=True); time.sleep(30)"


def test_a_program_that_is_started_here_is_stopped_by_sigint() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process:
        assert process.stdout.readline() == b"up\\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
"""

_SWALLOWS = """
import os, signal


def test_that_swallows_it() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        pass  # as the guard of a function does, which turns it into a 500


def test_after_it() -> None:
    raise RuntimeError("the run went on")
"""
_SUITE = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-p", "tests.support.fixtures"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_ends_the_run_even_if_a_test_swallows_it(tmp_path: Path) -> None:
    test = tmp_path / "test_swallows.py"
    test.write_text(_SWALLOWS, encoding="utf-8")
    result = subprocess.run(
        [*_SUITE, str(test)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert result.returncode == pytest.ExitCode.INTERRUPTED, result.stdout + result.stderr
    assert "the run went on" not in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_suite_that_was_started_with_sigint_ignored_can_stop_its_programs(tmp_path: Path) -> None:
    test = tmp_path / "test_child.py"
    test.write_text(_CHILD, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", _IGNORING, *_SUITE, str(test)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert (result.returncode, "1 passed" in result.stdout) == (0, True), result.stdout + result.stderr
