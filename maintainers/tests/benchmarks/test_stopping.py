"""Ctrl-C in the middle of a measurement: one line, and no process continues to measure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from maintainers.benchmarks.failures.tenant import comes_true

ROOT = Path(__file__).parents[3]
TIMEOUT = 60.0  # seconds, on a machine that is busy otherwise
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the test looks processes up in /proc")


def marked(mark: str) -> Iterator[int]:
    """The processes that have this in their environment: those that a test has started, and those that they have."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue  # ended meanwhile, or somebody else's


def threads(mark: str, module: str) -> int:
    """Of the processes that run this module."""
    found = 0
    for pid in marked(mark):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            found += len(list(Path(f"/proc/{pid}/task").iterdir())) if module in words else 0
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("options", "told", "module", "least"),
    [
        (["--row", "memory"], "measuring memory", "maintainers.benchmarks.speed.tenant_process", 1),
        (
            ["failures", "--peer", "template", "--peer", "azure"],
            "measuring azure",
            "maintainers.benchmarks.failures.child",
            2,
        ),
        (["fleet"], "measuring the costs", "maintainers.benchmarks", 1),
        (
            ["load", "--seconds", "600", "--processes", "1"],
            "1 API processes are up",
            "maintainers.benchmarks.load.callers",
            9,
        ),  # they call
    ],
    ids=["speed", "failures", "fleet", "load"],
)
def test_ctrl_c_ends_all_of_it_with_one_line(
    options: list[str], told: str, module: str, least: int, tmp_path: Path
) -> None:
    mark, said = f"MARK={uuid4()}", tmp_path / "stderr.txt"
    environ = {**os.environ, "MARK": mark.partition("=")[2]}
    command = [sys.executable, "-m", "maintainers.benchmarks", *options]
    with (
        said.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        ) as bench,
    ):
        try:
            assert comes_true(lambda: told in said.read_text(encoding="utf-8"), TIMEOUT), said.read_text(
                encoding="utf-8"
            )
            assert comes_true(lambda: threads(mark, module) >= least, TIMEOUT)
            os.killpg(bench.pid, signal.SIGINT)  # as a terminal does it: to all that were started in it
            status = bench.wait(TIMEOUT)
            assert comes_true(lambda: not list(marked(mark)))
        finally:
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)

    lines = said.read_text(encoding="utf-8").splitlines()
    assert (status, lines[-1]) == (130, "dev.py bench: stopped")
    assert [line for line in lines[:-1] if "measuring" not in line and "API processes" not in line] == []
