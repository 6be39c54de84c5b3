"""The emulated tenant of one peer's process, and what can be observed of that peer from outside."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from emulators.stack import Stack
from maintainers.benchmarks.environment import enter

from .catcher import Catcher
from .logs import Logs

T = TypeVar("T")

_TIMEOUT = 5.0  # for something to begin that may never begin


class Tenant:
    """One emulated tenant; this process reaches it as a deployed API reaches the real one."""

    def __init__(self, stack: Stack, folder: Path, logs: Logs, catcher: Catcher) -> None:
        self.stack, self.logs, self.catcher = stack, logs, catcher
        self.ca = Path(os.environ["SSL_CERT_FILE"])
        self.pfx = folder / "client.pfx"
        self.write_certificate()
        stack.route("orders", catcher.url)

    def write_certificate(self) -> None:
        """Puts the API's newest certificate where the peers that know no vault read it."""
        self.pfx.write_bytes(self.stack.client_certificate.pfx())

    def reset(self) -> None:
        """Everything well again, before the next failure."""
        self.stack.faults.clear()
        self.stack.directory.withdraw_consent("connor")
        self.logs.forget()
        self.catcher.caught.clear()
        gc.collect()  # connections of the last instance

    def token(self, person: str = "alice", *, mfa: bool = False, lifetime: float = 7 * 86400.0) -> str:
        """A genuine token for the API; no two are the same."""
        return self.stack.issue_access_token(person, mfa=mfa, lifetime=lifetime)

    def asked(self, path_end: str, since: int) -> int:
        """How many requests to paths with this end have come since a mark, whatever became of them."""
        return sum(entry.path.endswith(path_end) for entry in self.stack.audit.entries(since))

    def mark(self) -> int:
        """A point in time for `asked`."""
        return self.stack.audit.mark()


TOKEN_ENDPOINT, KEY_SET = "/oauth2/v2.0/token", "/discovery/v2.0/keys"


@contextmanager
def running(folder: Path) -> Iterator[Tenant]:
    """A tenant from start to stop, with this process's environment and logging set up for it."""
    logs, catcher = Logs(), Catcher()
    with Stack.start(folder) as stack:
        enter(stack.environ("api"))
        tenant = Tenant(stack, folder, logs, catcher)
        root = logging.getLogger()
        root.addHandler(logs)
        root.setLevel("DEBUG")
        try:
            yield tenant
        finally:
            root.removeHandler(logs)
            catcher.close()


def beside(call: Callable[[], T]) -> Future[T]:
    """Runs the call in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def comes_true(condition: Callable[[], object], timeout: float = _TIMEOUT) -> bool:
    """Whether the condition holds at some moment of the next seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def time_outs_in_force(gateway_port: int) -> set[float | None]:
    """The timeouts of this process's blocking sockets toward the tenant. None stands for: waits forever."""
    found = set()
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket) and thing.fileno() >= 0:
            try:
                if thing.getpeername()[1] == gateway_port:
                    found.add(thing.gettimeout())
            except (OSError, IndexError):
                continue
    return found - {0.0}  # those of an event loop say nothing: its timers do
