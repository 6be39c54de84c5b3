"""A real redis-server on a free port of 127.0.0.1, of the tests' own: empty, in memory only, gone with the run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import redis

from emulators.loopback import bind

WHY_NOT = (
    "there is no redis-server on the PATH; the tests of the shared cache need a real one: "
    "`apt-get install redis-server` (Debian, Ubuntu), `brew install redis` (macOS)"
)


def program() -> str | None:
    """Where redis-server is; None on a machine without it."""
    return shutil.which("redis-server")


class RedisServer:
    """One process, which can be killed and started again on its port."""

    def __init__(self, folder: Path, *options: str) -> None:
        listener = bind(0, "redis-server")
        self.port: int = listener.getsockname()[1]
        listener.close()
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, empty, and waits until it answers."""
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        found = program()
        assert found is not None, WHY_NOT
        self._process = subprocess.Popen(
            [found, *own, "--dir", str(self._folder), *self._options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout is not None
        said = b""
        for line in self._process.stdout:
            said += line
            if b"Ready to accept connections" in line:
                break
        else:
            raise AssertionError(f"redis-server did not start: {said.decode(errors='replace')}")

    def kill(self) -> None:
        """Ends it at once, as a crash does: nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def client(self, **options: Any) -> Any:
        """A client of the tests' own, to look and to meddle; untyped, as redis-py's types leave everything open."""
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10, **options)


def dump(client: Any) -> dict[bytes, bytes]:
    """All keys with all that lies under them, as Redis itself would save it."""
    return {key: client.dump(key) + _plain(client, key) for key in client.scan_iter()}


def _plain(client: Any, key: bytes) -> bytes:
    """Redis compresses what it dumps."""
    found = client.get(key)
    return found if isinstance(found, bytes) else b""
