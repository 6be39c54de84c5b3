"""The engine of the real host: Azure Functions Core Tools, `func`, as a child process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulators.loopback import bind

READY_BOUND = 120.0  # Core Tools may fetch an extension bundle first
STOP_BOUND = 2.0
# Core Tools 4 start the worker with this; without it they try `py` and `python3` first, and on Windows a virtual
# environment has neither. Read from the environment only: in local.settings.json it comes too late.
# https://github.com/Azure/azure-functions-core-tools/blob/v4.x/src/Cli/func/Helpers/PythonHelpers.cs
INTERPRETER = "languageWorkers:python:defaultExecutablePath"


class CoreToolsError(Exception):
    """`func` ended, or never listened; the message says which."""


def find() -> str | None:
    """The `func` program on the PATH."""
    return shutil.which("func")


def func_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for `func`: it runs the app with this interpreter, unless the person has chosen another."""
    return {"FUNCTIONS_WORKER_RUNTIME": "python", INTERPRETER: sys.executable, **environ}


class CoreTools:
    """A running `func start`."""

    def __init__(self, program: str, root: Path, port: int = 0, origins: Sequence[str] = ()) -> None:
        """Only checks the port: 0 chooses a free one. `origins` may call from a browser. Raises PortTaken."""
        with bind(port, "host") as listener:
            self.port: int = listener.getsockname()[1]
        self._command = [
            program,
            "start",
            "--port",
            str(self.port),
            *(["--cors", ",".join(origins)] if origins else []),
        ]
        self._root = root
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, stop: threading.Event, bound: float = READY_BOUND) -> bool:
        """Start it and wait until it listens; False if `stop` was set first. Raises CoreToolsError."""
        self._child = _spawn(self._command, self._root)
        deadline = time.monotonic() + bound
        while not self._listens():
            code = self._child.poll()
            if code is not None:
                raise CoreToolsError(f"func start ended with exit code {code} before it listened; its output is above")
            if time.monotonic() > deadline:
                self.stop()
                raise CoreToolsError(f"func start did not listen on port {self.port} within {bound:.0f} s")
            if stop.wait(0.05):
                return False
        return True

    def function_count(self) -> int:
        """How many functions it has indexed, by its admin API; 0 when it does not say."""
        with contextlib.suppress(OSError, ValueError):
            request = urllib.request.Request(f"{self.url}/admin/functions")  # noqa: S310 - our own address
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as reply:
                return len(json.load(reply))
        return 0

    def wait(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises CoreToolsError if it ends by itself."""
        while not stop.wait(0.2):
            code = self._child.poll() if self._child else None
            if code is not None:
                raise CoreToolsError(f"func start ended by itself with exit code {code}")

    def stop(self) -> None:
        """End it and everything it has started: politely, and after STOP_BOUND seconds by force."""
        if self._child is None:
            return
        _end_tree(self._child, by_force=False)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_BOUND)
        finally:
            _end_tree(self._child, by_force=True)  # also what the child has left behind
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_BOUND)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def _spawn(command: list[str], root: Path) -> subprocess.Popen[bytes]:
    """The child in a group of its own, its output on our stderr: stdout is for the ready line."""
    return subprocess.Popen(
        command,
        cwd=root,
        env=func_environ(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,  # POSIX
        creationflags=_CREATION_FLAGS,  # Windows
    )


if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP

    def _end_tree(child: subprocess.Popen[bytes], *, by_force: bool) -> None:
        command = ["taskkill", "/T", "/PID", str(child.pid), *(["/F"] if by_force else [])]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

else:
    _CREATION_FLAGS = 0

    def _end_tree(child: subprocess.Popen[bytes], *, by_force: bool) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL if by_force else signal.SIGTERM)
