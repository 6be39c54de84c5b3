"""`python -m benchmarks`, for every subject."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_reader_who_has_gone_is_no_error() -> None:
    """As in `dev.py bench failures | head`, on which a traceback would follow."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "maintainers.benchmarks", "failures", "--peer", "fastapi", "--row", "mfa"]
        ended = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    finally:
        os.close(writing)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_says_what_no_subject_stands_for_and_what_a_row_is_measured_with() -> None:
    command = [sys.executable, "-m", "maintainers.benchmarks", "--help"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    said = " ".join(ended.stdout.split())

    assert "dev.py bench` alone is `dev.py bench speed`" in said
    assert "rows of one group are measured together" in said
