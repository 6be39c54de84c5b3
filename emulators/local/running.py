"""Starting everything in order, and stopping it in the reverse order."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulators.functions_host.breakpoints import without_terminal
from emulators.functions_host.layout import HostJson, LayoutError
from emulators.local.environment import api_environ, process_environ
from emulators.local.errors import LocalError
from emulators.local.ports import DEFAULT_PORT, StackPorts, port_taken
from emulators.local.processes import AppProcess
from emulators.local.shared_cache import cache_settings
from emulators.local.state import ROOT
from emulators.local.timeline import Timeline
from emulators.loopback import free_port
from emulators.resources.store import SITE
from emulators.stack import Ports, PortTaken, Stack
from emulators.table import Table, addressed

# Microsoft's worker library where it exists. Never `func` for a second app: both would read one local.settings.json.
_ENGINE_BESIDE = "worker" if sys.version_info >= (3, 13) else "sdk"


@dataclass(frozen=True)
class Running:
    """A tenant and its apps.

    `apps` are the Functions apps of the table by short name, and "api" unless somebody else runs that one.
    """

    stack: Stack
    apps: dict[str, AppProcess]
    chosen: dict[str, str]
    """Settings of the API that were asked for on the command line."""

    @property
    def environ(self) -> dict[str, dict[str, str]]:
        """What the stack adds to the environment of each process."""
        return {
            "api": api_environ({**self.stack.environ("api"), **self.chosen}),
            "doctor": {**self.stack.environ("doctor"), **self.chosen},
            **{name: self.stack.environ(name) for name in ("client", *self.stack.table.keys)},
        }

    @property
    def apis(self) -> dict[str, str]:
        """Where each API behind the API runs, by short name."""
        apps = {name: app.url for name, app in self.apps.items()}
        return {api.key: api.url or apps.get(api.key, api.base_url) for api in self.stack.table.apis}

    def check(self) -> None:
        """Raises LocalError when an app has ended by itself."""
        for app in self.apps.values():
            if app.has_ended():
                raise LocalError(app.obituary("ended by itself"), exit_code=1)


@contextlib.contextmanager
def up(
    command: str,
    ports: StackPorts,
    folder: Path,
    timeline: Timeline,
    table: Table,
    *,
    with_api: bool = True,
    engine: str = "auto",
    redis: str | None = None,
    origins: Sequence[str] = (),
) -> Iterator[Running]:
    """Everything is up inside the block; nothing is left after it. Raises LocalError."""
    chosen = cache_settings(redis)
    ports.check(command)
    _check_host_json()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stopping:
        api_port = ports.api or (free_port() if with_api else DEFAULT_PORT)
        table = addressed(table, address_of(api_port))  # the tenant knows the API by its address
        running = Running(_start_stack(command, ports, folder, table), {}, chosen)
        stopping.callback(running.stack.stop)
        running.stack.management.resources.app_settings[SITE].update(chosen)
        wanted = {name: (port, _ENGINE_BESIDE) for name, port in ports.apps.items()}
        wanted |= {"api": (api_port, engine)} if with_api else {}
        for name, (port, engine_of_app) in wanted.items():
            environ = without_terminal(process_environ(running.environ[name]))
            log, pages = folder / f"{name}.log", origins if name == "api" else ()
            app = AppProcess(name, port, environ, log, timeline.logged, engine_of_app, origins=pages)
            stopping.callback(app.stop)
            running.apps[name] = app
        for app in running.apps.values():
            app.ready()
        for name in ports.apps:
            running.stack.route(name, running.apps[name].url)
        yield running


def address_of(port: int) -> str:
    """What the routes of the API follow, when it is served on this port."""
    return f"http://127.0.0.1:{port}{HostJson.read(ROOT / 'host.json').base_path}"


def _check_host_json() -> None:
    """Its route prefix is in the addresses that the apps are given, before they start. Raises LocalError."""
    try:
        HostJson.read(ROOT / "host.json")
    except LayoutError as problem:
        raise LocalError(str(problem)) from problem


def _start_stack(command: str, ports: StackPorts, folder: Path, table: Table) -> Stack:
    try:
        wanted = Ports(sign_in=ports.sign_in, gateway=ports.gateway, identity=ports.identity)
        return Stack.start(folder, wanted, table=table)
    except PortTaken as taken:  # taken between the check and now
        raise port_taken(taken.port, taken.what, command, ports.size) from taken
