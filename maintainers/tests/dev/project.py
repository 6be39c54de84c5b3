"""A copy of the project to run dev.py in, so that a running stack of the real project is not disturbed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
_PARTS = ("client", "doctor", "emulators", "shared", "dev.py", "function_app.py", "downstream_app.py", "host.json")
_FILES = ("requirements.txt", "requirements-run.txt", "requirements-dev.txt", "local-stack.toml")


@dataclass(frozen=True)
class Project:
    """One copy."""

    root: Path

    @classmethod
    def copy(cls, target: Path) -> Project:
        """Copies what a stack needs."""
        for name in (*_PARTS, *_FILES):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)
        return cls(target)

    @property
    def environ(self) -> dict[str, str]:
        """Uses the interpreter of the tests, which has all packages, instead of an installation."""
        return {**os.environ, "DEV_PYTHON": sys.executable, "COLUMNS": "", "PYTHONDONTWRITEBYTECODE": "1"}

    def dev(self, *arguments: str, timeout: float = 90, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs dev.py to its end."""
        return subprocess.run(
            [sys.executable, "dev.py", *arguments],
            cwd=self.root,
            env={**self.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    @contextlib.contextmanager
    def serving(self, *arguments: str) -> Iterator[Serving]:
        """`dev.py run` or `emulators` while the block runs."""
        output = self.root / "output.txt"
        with output.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "dev.py", *arguments], cwd=self.root, env=self.environ, stdout=out, stderr=out
            )
            serving = Serving(self, process, output)
            try:
                serving.wait_for("Every hop appears below")
                yield serving
            finally:
                serving.stop()

    def state(self) -> dict[str, Any]:
        """The content of .local/stack.json."""
        state: dict[str, Any] = json.loads((self.root / ".local" / "stack.json").read_text(encoding="utf-8"))
        return state

    def processes(self) -> list[int]:
        """Every process whose folder is this copy. Linux only; elsewhere the ports have to do."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (
                    Path(os.readlink(entry / "cwd")) == self.root
                    and (entry / "stat").read_text(encoding="utf-8").split()[2] != "Z"
                ):
                    found.append(int(entry.name))
        return found


@dataclass(frozen=True)
class Serving:
    """A running dev.py."""

    project: Project
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        """Its output so far."""
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, text: str, bound: float = 60) -> None:
        """Waits until its output contains `text`."""
        wait_until(lambda: text in self.text or self.process.poll() is not None, bound)
        assert text in self.text, self.text

    def stop(self) -> int:
        """As Ctrl-C does. Returns the exit code; that of a killed program when it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(30)


def wait_until(condition: Any, bound: float = 15) -> None:
    """Polls a condition of another process; returns when it holds, or at the bound."""
    deadline = time.monotonic() + bound
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def with_wrong_prefetch(folder: Path) -> Project:
    """A copy of the project with one function that prefetches a token for an API which no setting names."""
    project = Project.copy(folder)
    app = project.root / "function_app.py"
    source = app.read_text(encoding="utf-8")
    wrong = source.replace("@requires_user(scopes=[", '@requires_user(prefetch=["Grpah"], scopes=[', 1)
    assert wrong != source
    app.write_text(wrong, encoding="utf-8")
    return project
