"""The API's own modules in this process, against the emulators over real sockets, with a clock that tests move."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from emulators.audit import Entry
from emulators.stack import Stack
from emulators.table import DownstreamApi, Table
from shared.services import Services
from shared.sessions import RequestContext
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord
from shared.user.user import User

from .clock import RunningClock

ROOT = Path(__file__).parents[2]
TABLE = Table(
    apis=(DownstreamApi("Orders", ("Orders.Read", "Orders.Write"), {"Orders.Manager": ("olga",)}, "downstream_app.py"),)
)
"""What these tests have in place of local-stack.toml, which is the user's."""
T = TypeVar("T")


class Lab:
    """One emulated tenant and the means to build and question the API's services."""

    def __init__(self, stack: Stack, clock: RunningClock) -> None:
        self.stack, self.clock = stack, clock

    def environ(self, **changes: str | None) -> dict[str, str]:
        """The API's environment; None takes a variable away."""
        merged = {**self.stack.environ("api"), **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def credential(self, source_type: str, **settings: str) -> dict[str, str | None]:
        """The changes that make another source the only client credential."""
        at = "AzureAd__ClientCredentials__0__"
        gone: dict[str, str | None] = {name: None for name in self.stack.environ("api") if name.startswith(at)}
        return {**gone, at + "SourceType": source_type, **{at + name: value for name, value in settings.items()}}

    def services(self, **changes: str | None) -> Services:
        """Fresh services: nothing cached, nothing loaded."""
        return Services(Settings.from_environ(self.environ(**changes)), now=self.clock, sleep=self.clock.forward)

    def user(self, services: Services, token: str) -> User:
        """The user of this token, as a function is handed them."""
        session = services.sessions.open(token)
        return User(RequestContext(services.sessions, session, token, RequestRecord()), services.apis)

    def me(self, services: Services, token: str) -> str:
        """Who Graph says this token's user is."""
        name: str = self.user(services, token).api("Graph").get("/me?$select=displayName").json()["displayName"]
        return name

    def exchanges(self, since: int) -> list[Entry]:
        """Every request to Entra's token endpoint since a mark, successful or not."""
        return [entry for entry in self.stack.audit.entries(since) if entry.path.endswith("/oauth2/v2.0/token")]

    def seen(self, since: int, action: str) -> list[Entry]:
        """The requests of one kind (`obo`, `keys`, `secret`, …) that the emulators got since a mark."""
        return [entry for entry in self.stack.audit.entries(since) if entry.action == action]


def said_by(program: str, environ: dict[str, str]) -> str:
    """What a program prints in a fresh process of the project."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def finish_background_work() -> None:
    """Waits for refreshes in the background."""
    for thread in threading.enumerate():
        if thread.name.startswith("background "):
            while not thread.is_alive() and thread in threading.enumerate():
                time.sleep(0.001)  # a thread is listed before it runs, but can be joined only after it has started
            thread.join(10)


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """The results of `count` calls that begin at the same moment, in as many threads."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait(30)
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
