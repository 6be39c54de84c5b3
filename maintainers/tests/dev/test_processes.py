"""Stopping an app takes a bounded time, even if something holds it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from emulators.local import processes
from emulators.local.processes import AppProcess

# It ignores the end of its input.
DEAF = "import time; print('ready http://127.0.0.1:1 sdk 1 functions', flush=True); time.sleep(600)"
HOST = (sys.executable, "-c", DEAF)


def test_a_process_that_no_kill_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_STOP_BOUND", 0.1)
    monkeypatch.setattr(processes, "_LAST_WORDS", 1.0)
    app = AppProcess("api", 0, os.environ, tmp_path / "log", lambda _app, _line: None, "sdk", host=HOST).ready()
    kill, stopping = app._process.kill, threading.Thread(target=app.stop, daemon=True)
    monkeypatch.setattr(app._process, "kill", lambda: None)  # as when a system call holds it
    try:
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()
    finally:
        kill()
        app._process.wait(20)
        app.stop()  # which it now can
