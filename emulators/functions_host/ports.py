"""Taking a port on 127.0.0.1."""

from __future__ import annotations

import socket
import sys


class PortTakenError(OSError):
    """Another program listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken by another program; choose another one with --port N (0 takes any)")
        self.port = port


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; 0 takes any free port. Raises PortTakenError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # Windows would let two programs share a port; this option forbids it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A restart must not wait for the connections of the run before to time out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTakenError(port) from error
    return listener
