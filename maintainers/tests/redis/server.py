"""A real redis-server on a free port of 127.0.0.1: empty, in memory only, and it ends with its parent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from emulators.loopback import bind

WHY_NOT = "there is no redis-server on the PATH (Debian: apt-get install redis-server; macOS: brew install redis)"


def program() -> str | None:
    """Where redis-server is; None on a machine without it."""
    return shutil.which("redis-server")


class RedisServer:
    """One process, up inside its `with` block, which can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        with bind(0, "redis-server") as listener:
            self.port: int = listener.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """As the setting TokenCache__Redis__Url would have it."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, empty, and waits until it responds. Raises RuntimeError."""
        found = program()
        if found is None:
            raise RuntimeError(WHY_NOT)
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [found, *options, "--dir", str(self._folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = b""
        for line in self._process.stdout or ():
            said += line
            if b"Ready to accept connections" in line:
                return
        self.kill()
        raise RuntimeError(f"redis-server did not start: {said.decode(errors='replace')}")

    def kill(self) -> None:
        """Kills it at once, as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)
            if process.stdout:
                process.stdout.close()

    def client(self) -> Any:
        """A client to read and change entries. It is untyped, because redis-py's types are not precise."""
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10)


def dump(client: Any) -> dict[bytes, bytes]:
    """All keys with all that lies under them, as Redis itself would save it."""
    return {key: client.dump(key) + _plain(client, key) for key in client.scan_iter()}


def _plain(client: Any, key: bytes) -> bytes:
    """Redis compresses what it dumps."""
    found = client.get(key)
    return found if isinstance(found, bytes) else b""
