"""A copy of the project in which one module is changed again and again, and the process that runs its tests there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from .worker import TIMED_OUT

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".local", "__pycache__", ".*_cache", "*.jsonl")
_OUTPUT_CHARS = 3000


class Copy:
    """One copy, used by one thread. The project itself is never changed."""

    def __init__(self, root: Path, preload: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True)
        self._root = Path(self._folder.name) / "project"
        shutil.copytree(root, self._root, ignore=_LEFT_OUT)
        self._output = Path(self._folder.name) / "output.txt"
        worker = Path(__file__).with_name("worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(worker), *preload],
            cwd=self._root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self._root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, which ends this one
        )

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    def write(self, path: str, source: str) -> None:
        """Changes one file of the copy."""
        (self._root / path).write_text(source, encoding="utf-8")

    def run(self, tests: Sequence[str], seconds: int) -> int:
        """pytest's exit code; TIMED_OUT after so many seconds. Raises RuntimeError when the process has ended."""
        job = {"tests": list(tests), "seconds": seconds, "output": str(self._output)}
        if not self._process.stdin or not self._process.stdout:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs the tests has ended")
        return int(line)

    def output(self) -> str:
        """The end of what the last run wrote."""
        return self._output.read_text(encoding="utf-8", errors="replace")[-_OUTPUT_CHARS:]


__all__ = ["TIMED_OUT", "Copy"]
