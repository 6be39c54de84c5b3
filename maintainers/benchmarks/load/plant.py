"""Everything that is called: one tenant, the Orders API, several processes of the API, and Redis where it is wanted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.local.environment import process_environ
from emulators.local.processes import AppProcess
from emulators.requests_io import fingerprint
from emulators.stack import Stack
from maintainers.benchmarks import ROOT
from maintainers.tests.redis.server import RedisServer

from .mix import BAD, SCOPE_SETS, Step
from .observed import Exchange, Observed

ENTRA_SECONDS, API_SECONDS = 0.08, 0.06  # what Entra and a downstream API take
_PEOPLE = ("alice", "olga")
_ENGINE = "worker" if sys.version_info >= (3, 13) else "sdk"  # never `func`: several would share one settings file


@dataclass(frozen=True)
class Result:
    """What the caller saw. The status is 0, with the name of an error, when there was no response."""

    status: int
    error: str
    ms: float


@dataclass
class Plant:
    """What runs. `call` sends the steps of a plan, `results` says what became of each."""

    stack: Stack
    apis: list[AppProcess]
    redis: RedisServer | None
    observed: Observed
    _callers: subprocess.Popen[str]
    _tokens: list[str]

    def call(self, steps: Sequence[Step], *, per_second: float, threads: int) -> None:
        """Begins; `results` waits for the end."""
        calls = [(step.number, step.process, step.path, self.bearer(step)) for step in steps]
        urls = [api.url for api in self.apis]
        job = {"urls": urls, "steps": calls, "per_second": per_second, "threads": threads}
        assert self._callers.stdin is not None  # noqa: S101 — a pipe
        self._callers.stdin.write(json.dumps(job) + "\n")
        self._callers.stdin.flush()

    def results(self) -> dict[int, Result]:
        """What became of each call, by number."""
        assert self._callers.stdout is not None  # noqa: S101 — a pipe
        said: list[list[Any]] = json.loads(self._callers.stdout.readline() or "[]")
        return {number: Result(status, error, ms) for number, status, error, ms in said}

    def exchange(self, step: Step) -> Exchange:
        """The exchange that this call needs if the process has no token for it."""
        return fingerprint(self.bearer(step)), SCOPE_SETS[step.path]

    def bearer(self, step: Step) -> str:
        """The token of a step: genuine, or with a signature that is not its own."""
        while len(self._tokens) <= step.token:
            self._tokens.append(self.stack.issue_access_token(_PEOPLE[len(self._tokens) % len(_PEOPLE)], lifetime=7200))
        token = self._tokens[step.token]
        if step.kind != BAD:
            return token
        others = self._tokens[step.token - 1]  # well-formed, so that nothing but the signature check refuses it
        return f"{token.rpartition('.')[0]}.{others.rpartition('.')[2]}"


@contextmanager
def running(folder: Path, processes: int, *, with_redis: bool) -> Iterator[Plant]:
    """All of it is up inside the block; nothing is left after it."""
    with ExitStack() as exits:
        observed = Observed()
        stack = exits.enter_context(Stack.start(folder))
        redis = exits.enter_context(RedisServer(folder)) if with_redis else None
        environ = stack.environ("api")
        if redis is not None:
            environ["TokenCache__Redis__Url"] = redis.url
        orders = _start(exits, "orders", stack.environ("orders"), folder, observed)
        apis = [_start(exits, f"api-{number}", environ, folder, observed) for number in range(processes)]
        for app in (orders, *apis):
            app.ready()
        stack.route("orders", orders.url)
        stack.faults.add("entra.token", delay=ENTRA_SECONDS)
        stack.faults.add("graph", delay=API_SECONDS)
        stack.faults.add("orders", delay=API_SECONDS)
        stack.audit.subscribe(observed.entry)
        yield Plant(stack, apis, redis, observed, exits.enter_context(_calling()), [])


def _start(exits: ExitStack, name: str, environ: dict[str, str], folder: Path, observed: Observed) -> AppProcess:
    app = AppProcess(name, 0, process_environ(environ), folder / f"{name}.log", observed.line, _ENGINE)
    exits.callback(app.stop)
    return app


@contextmanager
def _calling() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "maintainers.benchmarks.load.callers"]
    callers = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C in the terminal reaches this process, which then ends the callers
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    try:
        yield callers
    except BaseException:  # Ctrl-C, too
        callers.kill()  # in the middle of their calls they hear nothing
        raise
    finally:
        for stream in (callers.stdin, callers.stdout):
            if stream is not None:
                stream.close()
        try:
            callers.wait(10)
        except subprocess.TimeoutExpired:
            callers.kill()
            callers.wait()
