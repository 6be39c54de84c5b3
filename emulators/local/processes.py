"""A Functions app in a process of its own, which always ends with this one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from emulators.functions_host.layout import HostJson
from emulators.local.errors import LocalError
from emulators.local.state import ROOT

_TIMEOUT = 150.0  # Core Tools may fetch something at their first start
_STOP_BOUND = 10.0
_LAST_WORDS = 2.0
HOST = (sys.executable, "-m", "emulators.functions_host")


class AppProcess:
    """`python -m emulators.functions_host` for one app; what it logs goes to a file and to `on_line`."""

    def __init__(
        self,
        name: str,
        port: int,
        environ: Mapping[str, str],
        log: Path,
        on_line: Callable[[str, str], None],
        engine: str,
        root: Path = ROOT,
        host: Sequence[str] = HOST,
        origins: Sequence[str] = (),
    ) -> None:
        """Starts the process; `ready` waits for it. `root` is the app's folder, `host` the command that serves it.

        `origins` are those of web pages that may call the app from a browser.
        """
        self.name = name
        self.url = ""
        self.engine = ""
        self.functions = 0
        self.indexing_error = ""
        self._root = root
        self._log = log.open("w", encoding="utf-8")
        self._lock = threading.Lock()
        self._on_line = on_line
        self._last = deque[str](maxlen=12)
        self._settled = threading.Event()  # ready, or ended
        command = [*host, "--name", name, "--port", str(port), *(f"--origin={origin}" for origin in origins)]
        self._process = subprocess.Popen(
            [*command, "--engine", engine, "--stop-with-stdin"],
            cwd=root,
            env=dict(environ),
            stdin=subprocess.PIPE,  # the child ends when this pipe does, so with this process
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C in the terminal reaches this process, which then stops the child in order
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._threads = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        for thread in self._threads:
            thread.start()

    def ready(self) -> AppProcess:
        """Returns when the app responds. Raises LocalError with the end of its log when it does not."""
        deadline = time.monotonic() + _TIMEOUT
        while not self._settled.wait(0.1) and time.monotonic() < deadline:
            pass
        if not self.url:
            for thread in self._threads if self.has_ended() else ():
                thread.join(_LAST_WORDS)
            raise LocalError(self.obituary("did not start"), 2 if self._process.poll() == 2 else 1)
        return self

    @property
    def base_url(self) -> str:
        """What the routes of the app's functions follow: its address, with the route prefix of host.json."""
        return f"{self.url}{HostJson.read(self._root / 'host.json').base_path}"

    @property
    def pid(self) -> int:
        """The process id, for tools that look at the process."""
        return self._process.pid

    def has_ended(self) -> bool:
        """True when the process is gone, which it should not be before `stop`."""
        return self._process.poll() is not None

    def obituary(self, what: str) -> str:
        """That the app is gone, with the last it said."""
        return "\n    ".join([f"the {self.name} app {what}:", *self._last])

    def stop(self) -> None:
        """Ends the process: first by the end of its input, after a bound by force. After another bound it gives up."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_BOUND)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a system call can hold even a killed one
                self._process.wait(_STOP_BOUND)
        for thread in self._threads:
            thread.join(_LAST_WORDS)
        if any(thread.is_alive() for thread in self._threads):
            return  # closing a pipe that is being read would wait for the other end
        for stream in (self._process.stdout, self._process.stderr, self._log):
            if stream:
                stream.close()

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            with self._lock:
                self._take(line.rstrip("\n"))
        if stream is self._process.stdout:
            self._process.wait()
            self._settled.set()

    def _take(self, line: str) -> None:
        if line.startswith("ready ") and not self.url:
            where, _, self.indexing_error = line.partition(" functions: ")
            _, self.url, self.engine, count, *_ = where.split()
            self.functions = int(count)
            self._settled.set()
            return
        self._log.write(f"{line}\n")
        self._log.flush()
        self._last.append(line)
        self._on_line(self.name, line)
