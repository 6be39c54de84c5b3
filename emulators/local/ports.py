"""The ports of a stack: consecutive, from the one a person chooses."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field

from emulators.local.errors import LocalError

LAST_PORT = 65_535
DEFAULT_PORT = 7071  # where Core Tools serve an app, too


@dataclass(frozen=True)
class StackPorts:
    """0 stands for any free port."""

    api: int = 0
    sign_in: int = 0
    gateway: int = 0
    identity: int = 0
    apps: Mapping[str, int] = field(default_factory=dict)
    """Those of the Functions apps behind the API, by short name."""

    @classmethod
    def starting_at(cls, first: int, apps: Sequence[str] = ()) -> StackPorts:
        """Five in a row, and more for each of `apps` after the first; all of them free ones when `first` is 0.

        Raises LocalError when there are not that many ports after the first.
        """
        if not first:
            return cls(apps=dict.fromkeys(apps, 0))
        if first + _size(apps) - 1 > LAST_PORT:
            raise LocalError(f"--port must be {LAST_PORT + 1 - _size(apps)} or less, for {_size(apps)} ports in a row")
        of_apps = [first + 1, *range(first + 5, first + _size(apps))]
        return cls(first, first + 2, first + 3, first + 4, dict(zip(apps, of_apps, strict=False)))

    def check(self, command: str) -> None:
        """Raises LocalError for the first port that is taken, with a command that would work."""
        named = {name: port for name, port in vars(self).items() if name != "apps"}
        for what, port in {**named, **self.apps}.items():
            if port and _is_taken(port):
                raise port_taken(port, what, command, self.size)

    @property
    def size(self) -> int:
        """How many ports in a row a stack with these apps takes."""
        return _size(self.apps)


def port_taken(port: int, what: str, command: str, size: int) -> LocalError:
    """What to tell when another program listens on `port`, one of `size` in a row."""
    text = f"port {port} ({what.replace('_', '-')}) is taken by another program. Try: python3 dev.py {command} --port"
    return LocalError(f"{text} {_free_block(size)}")


def _size(apps: Sized) -> int:
    return 4 + max(1, len(apps))


def _free_block(size: int) -> int:
    """The first of so many free ports in a row; 0 (any) when the usual places are all taken."""
    candidates = range(DEFAULT_PORT + 100, 60_000, 100)
    return next((first for first in candidates if not any(map(_is_taken, range(first, first + size)))), 0)


def _is_taken(port: int) -> bool:
    # A connection attempt also finds a listener on all interfaces. Some systems allow a second bind next to it.
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
