"""`run` and `emulators`: up, until somebody stops it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from emulators.audit import Entry
from emulators.local.banner import banner
from emulators.local.errors import LocalError
from emulators.local.health import PATH as HEALTH
from emulators.local.health import complaint, wrong_settings
from emulators.local.loading_errors import brief
from emulators.local.mcp import PATH as MCP
from emulators.local.mcp import address as mcp_address
from emulators.local.ports import DEFAULT_PORT, StackPorts
from emulators.local.running import Running, address_of, up
from emulators.local.settings_file import local_settings, overriding
from emulators.local.shared_cache import address
from emulators.local.state import FOLDER, ROOT, published, running
from emulators.local.timeline import Timeline
from emulators.table import Table


def serve(
    command: str,
    first_port: int,
    engine: str,
    table: Table,
    *,
    redis: str | None,
    started: float,
    origins: Sequence[str] = (),
) -> int:
    """Everything up and the hops shown until Ctrl-C; with `emulators`, the API is left to `func start`."""
    timeline = Timeline()
    _refuse_a_second()
    ports = StackPorts.starting_at(first_port, [api.key for api in table.apis if api.app])
    alone = command == "emulators"
    with contextlib.ExitStack() as stopping:
        starting = up(
            command, ports, FOLDER, timeline, table, with_api=not alone, engine=engine, redis=redis, origins=origins
        )
        tenant = stopping.enter_context(starting)
        api_url = _address_of_func(ports) if alone else tenant.apps["api"].base_url
        state = stopping.enter_context(published(FOLDER, **_where(command, api_url, tenant)))
        notes: list[str] = []
        mcp = ""
        if alone:
            kept = stopping.enter_context(
                local_settings(ROOT, tenant.environ["api"], ports.api or DEFAULT_PORT, origins)
            )
            notes = _about_settings(kept, overriding(tenant.environ["api"]))
        else:
            timeline.leave_out(urlsplit(f"{api_url}{HEALTH}").path)
            wrong = complaint(wrong_settings(api_url))
            timeline.leave_out(urlsplit(f"{api_url}{MCP}").path)
            mcp = mcp_address(api_url)
            notes = [wrong, "The line `setting …` of the API's log says what it must be.", ""] if wrong else []
        _open_flow_page(tenant, api_url)
        took = time.monotonic() - started
        told = {"api": _served_by(tenant), "redis": address(redis), "mcp": mcp}
        timeline.say(banner(state, table, started_in=took, notes=notes, **told))
        if state.api_fault:
            timeline.say(f"{state.api_fault}\n")
        for entry in tenant.stack.audit.entries():  # what the apps asked while they were loaded
            _show(timeline, entry)
        stop_showing = tenant.stack.audit.subscribe(lambda entry: _show(timeline, entry))
        timeline.on_request = tenant.stack.flow.story.host_request
        try:
            return _until_stopped(tenant)
        finally:
            stop_showing()
            timeline.say("\nStopping everything.")


def _address_of_func(ports: StackPorts) -> str:
    """Where `func start` will serve the API, as local.settings.json tells it."""
    return address_of(ports.api or DEFAULT_PORT)


def _until_stopped(tenant: Running) -> int:
    try:
        while True:
            tenant.check()
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0


def _where(command: str, api_url: str, tenant: Running) -> dict[str, object]:
    return {
        "command": command,
        "api_url": api_url,
        "apis": tenant.apis,
        "sign_in_url": tenant.stack.sign_in_url,
        "environ": tenant.environ,
        "daemons": {name: tenant.stack.daemon_environ(name) for name in tenant.stack.table.daemons},
        "api_fault": _fault(tenant),
    }


def _fault(tenant: Running) -> str:
    api = tenant.apps.get("api")
    if api is None or api.functions:
        return ""
    problem = f"could not be loaded: {brief(api.indexing_error)}" if api.indexing_error else "has no function"
    return f"Every route of the API responds with 404: function_app.py {problem}. See .local/api.log, and fix it."


def _served_by(tenant: Running) -> str:
    names = {
        "func": "Azure Functions Core Tools",
        "worker": "Microsoft's worker library",
        "sdk": "the azure-functions SDK",
    }
    return f"on {names.get(tenant.apps['api'].engine, '?')}" if "api" in tenant.apps else "once you type: func start"


def _about_settings(kept: str | None, winning: list[str]) -> list[str]:
    notes = ["local.settings.json is written for `func start`; type it in the activated environment."]
    if kept:
        notes.append(f"Your own local.settings.json is kept as {kept} and comes back when this stops.")
    if winning:
        notes.append(f"`func` prefers what this terminal sets to that file: {', '.join(winning)}.")
        notes.append("So unset these first, or type: python3 dev.py exec -- func start")
    notes.append("Without Core Tools, with breakpoints: python3 dev.py exec -- python -m emulators.functions_host")
    return [*notes, ""]


def _open_flow_page(tenant: Running, api_url: str) -> None:
    """From now on the start page follows the requests, and can make some."""
    from emulators.local.visitor import ClickVisitor  # it needs the client, which takes a moment to import

    stack, flow = tenant.stack, tenant.stack.flow
    flow.visitor = ClickVisitor(
        flow.story, stack.environ("client"), stack.sign_in_url, api_url, changed=flow.publish_state
    )
    flow.story.watch()


def _show(timeline: Timeline, entry: Entry) -> None:
    if entry.service != "gateway" or entry.status >= 400:  # an opened tunnel is no hop: the request in it is
        timeline.hop(entry)


def _refuse_a_second() -> None:
    other = running()
    if other is not None:
        where = f"a stack is running here already: {other.api_url} (dev.py {other.command}, process {other.pid})"
        raise LocalError(
            f"{where}. Stop that one with Ctrl-C in its terminal, or use it: python3 dev.py call alice /api/me"
        )
