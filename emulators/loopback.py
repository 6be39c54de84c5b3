"""Taking a port on 127.0.0.1, for every server of the local stack."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket

_NOT_GIVEN_OUT = range(20_000, 32_000)
_TAKEN = {errno.EADDRINUSE, errno.EACCES}


class PortTaken(OSError):  # noqa: N818 - named for what has happened, as FileNotFoundError is
    """The port that was asked for is in use; `what` says what it was meant for."""

    def __init__(self, port: int, what: str) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} ({what}) is taken by another program")
        self.port = port
        self.what = what


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, for a program that is yet to start.

    It is none of those that systems give out for port 0: another server would soon have it. Raises PortTaken.
    """
    for port in random.sample(_NOT_GIVEN_OUT, 20):
        with contextlib.suppress(PortTaken), bind(port, "any"):
            return port
    raise PortTaken(0, "any")


def bind(port: int, what: str) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes any free one. Raises PortTaken."""
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that name it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "nt":  # there, SO_REUSEADDR would share the port with another program
            listener.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as problem:
        listener.close()
        if problem.errno in _TAKEN:
            raise PortTaken(port, what) from None
        raise
    return listener
