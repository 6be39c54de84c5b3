"""The five ports of a stack: consecutive, from the one a person chooses."""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass

from emulators.local.errors import LocalError

DEFAULT_PORT = 7071  # where Core Tools serve an app, too


@dataclass(frozen=True)
class StackPorts:
    """0 stands for any free port."""

    api: int = 0
    orders: int = 0
    sign_in: int = 0
    gateway: int = 0
    identity: int = 0

    @classmethod
    def starting_at(cls, first: int) -> StackPorts:
        """Five in a row; all of them free ones when `first` is 0."""
        return cls(*range(first, first + 5)) if first else cls()

    def check(self, command: str) -> None:
        """Raises LocalError for the first port that is taken, with a command that would work."""
        for what, port in vars(self).items():
            if port and _is_taken(port):
                raise port_taken(port, what, command)


def port_taken(port: int, what: str, command: str) -> LocalError:
    """What to tell when another program listens on `port`."""
    text = f"port {port} ({what.replace('_', '-')}) is taken by another program. Try: python3 dev.py {command} --port"
    return LocalError(f"{text} {_free_block()}")


def _free_block() -> int:
    """The first of five free ports in a row; 0 (any) when the usual places are all taken."""
    candidates = range(DEFAULT_PORT + 100, 60_000, 100)
    return next((first for first in candidates if not any(map(_is_taken, range(first, first + 5)))), 0)


def _is_taken(port: int) -> bool:
    # Asking for a connection also finds a listener on all interfaces, which some systems let one bind beside.
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # there it would allow exactly what is to be found out
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
