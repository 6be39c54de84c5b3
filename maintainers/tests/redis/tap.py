"""A TCP proxy in front of Redis that can be slow, silent, broken or wrong."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from emulators.loopback import bind

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
GARBAGE = b"\x16\x03\x01 this is not Redis\r\n" * 4


class Tap:
    """Passes everything on until `mode` is set: `hang`, `reset`, `reset late`, `garbage`, `slow` or `drip`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = bind(0, "the way to Redis")
        self.port: int = self._listener.getsockname()[1]
        self.mode = "pass"
        self.delay = 0.0
        """Seconds before each response (`slow`) or after each byte (`drip`)."""
        self.on_drip: Callable[[], object] = lambda: None
        """Called before each byte (`drip`): a test lets its clock move instead of waiting."""
        self.connections = 0
        self.requests = 0
        self._open: list[socket.socket] = []
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, name="tap", daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Resets every connection there is."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(caller)
            if self.mode == "reset":
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                caller.close()
                continue
            try:
                redis = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                caller.close()
                continue
            redis.settimeout(None)
            self._open.append(redis)
            threading.Thread(target=self._there, args=(caller, redis), name="tap", daemon=True).start()
            threading.Thread(target=self._back, args=(redis, caller), name="tap", daemon=True).start()

    def _there(self, caller: socket.socket, redis: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := caller.recv(65536):
                self.requests += 1
                if self.mode == "hang":
                    continue
                if self.mode == "reset late":
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    caller.close()
                    break
                if self.mode == "garbage":
                    caller.sendall(GARBAGE)
                    continue
                redis.sendall(data)
        _close(redis)

    def _back(self, redis: socket.socket, caller: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := redis.recv(65536):
                if self.mode == "slow":
                    time.sleep(self.delay)
                pieces = [data[at : at + 1] for at in range(len(data))] if self.mode == "drip" else [data]
                for piece in pieces:
                    if self.mode == "drip":
                        self.on_drip()
                        time.sleep(self.delay)
                    caller.sendall(piece)
        _close(caller)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
