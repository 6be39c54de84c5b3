"""Starts the host with `python -m emulators.functions_host`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def environment(**more: str) -> dict[str, str]:
    """Ours, without a `func` that may be on the PATH, and with the project importable from every folder."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not any(Path(folder).glob("func*")))
    return {**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT), **more}


def command(*arguments: str | Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "emulators.functions_host", *map(str, arguments)]


@contextlib.contextmanager
def running(*arguments: str | Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The program, with pipes for its three streams; killed at the end if it still runs."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command(*arguments), env=env or environment(), stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8"
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> list[str]:
    """The words of the ready line; the first line there is."""
    assert process.stdout is not None
    return process.stdout.readline().split()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, the rest of stdout, and stderr."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err
