"""How other terminals find the running stack: .local/stack.json, and a socket that only a running stack serves."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".local"
_FILE = "stack.json"


@dataclass(frozen=True)
class StackState:
    """Where everything is; `apis` are those behind the API, by short name.

    `environ` holds what the stack adds to the environment of "api", of "client", of "doctor", and of each of `apis`.
    """

    command: str
    api_url: str
    apis: Mapping[str, str]
    sign_in_url: str
    environ: Mapping[str, Mapping[str, str]]
    pid: int
    pulse_port: int
    pulse: str
    daemons: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The environment of the client as each daemon, by the name of the daemon."""
    api_fault: str = ""
    """Why the API responds with 404 only. Empty when it has functions, or when another program starts it."""


@contextlib.contextmanager
def published(folder: Path = FOLDER, **where: Any) -> Iterator[StackState]:
    """Writes the state for as long as the block runs, with a pulse to tell it from one left by a crash."""
    with _beating() as (port, pulse):
        state = StackState(**where, pid=os.getpid(), pulse_port=port, pulse=pulse)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{_FILE}.{os.getpid()}"
        unfinished.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
        unfinished.replace(folder / _FILE)
        try:
            yield state
        finally:
            (folder / _FILE).unlink(missing_ok=True)


def running(folder: Path = FOLDER) -> StackState | None:
    """The stack that runs from this folder, or None. A file left by a crash has no pulse."""
    try:
        state = StackState(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
        with socket.create_connection(("127.0.0.1", state.pulse_port), timeout=2) as connection:
            alive = connection.makefile("r", encoding="ascii").read() == state.pulse
    except (OSError, ValueError, TypeError):
        return None
    return state if alive else None


@contextlib.contextmanager
def _beating() -> Iterator[tuple[int, str]]:
    """Sends a random word to each connection. Another program may get the same process id, but not the word."""
    word = secrets.token_hex(16)

    class Pulse(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(word.encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pulse) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], word
        finally:
            server.shutdown()
            thread.join()
