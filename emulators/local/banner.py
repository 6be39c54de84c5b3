"""What a person reads when the stack is up."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from emulators.local.state import StackState
from emulators.people import FABRIKAM, PEOPLE, people_of
from emulators.table import Table

PYTHON = "py" if os.name == "nt" else "python3"


def banner(
    state: StackState,
    table: Table,
    *,
    started_in: float,
    api: str,
    redis: str = "",
    mcp: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Addresses, people, and the commands to try next.

    `api` says what serves the API, `redis` where the one it shares is, `mcp` where AI agents connect. The last two may
    be empty. `notes` come before the end.
    """
    lines = [
        f"Ready in {started_in:.1f} s. Everything runs on this machine; nothing leaves it.",
        "",
        f"  API           {state.api_url}{_path(table)}   ({api})",
        *([f"  MCP           {mcp}   (for AI agents: {PYTHON} dev.py mcp alice)"] if mcp else []),
        *_apis(state, table),
        f"  Watch it      {state.sign_in_url}   (every hop and token; click a person)",
        *([f"  Redis         {redis}   (the API shares its exchanged tokens there)"] if redis else []),
        f"  Logs          .local{os.sep}*.log",
        "",
        *people(table),
        "",
        *_next_commands(state, _path(table)),
        "",
        *notes,
        "Ctrl-C stops everything. Every hop appears below as it happens.",
    ]
    return "\n".join(lines)


def people(table: Table) -> list[str]:
    """One line each: the name to use in a command, and what it shows."""
    fabrikam = people_of(FABRIKAM) if table.for_several_tenants else []
    named = [(person, person.about) for person in PEOPLE.values()]
    named += [(person, f"of Fabrikam: {person.about}") for person in fabrikam]
    lines = [f"  {person.name:<8}{'; '.join([about, *_roles(table, person.name)])}" for person, about in named]
    return [*lines, *(f"  --app {name}: {_app_roles(table, name)}" for name in table.daemons)]


def _app_roles(table: Table, daemon: str) -> str:
    held = [role for role, daemons in table.app_roles.items() if daemon in daemons]
    return f"an application with {', '.join(f'role {role}' for role in held) or 'no role'}"


def _roles(table: Table, person: str) -> list[str]:
    behind = [*(api.roles for api in table.apis), *(service.roles for service in table.azure)]
    every = [*table.roles.items(), *(each for roles in behind for each in roles.items())]
    return [f"role {role}" for role, people in every if person in people]


def _apis(state: StackState, table: Table) -> list[str]:
    lines = []
    for api in table.apis:
        lines.append(f"  {api.title:<12}  {state.apis[api.key]}{api.base_path if api.app else ''}")
        if not api.app and not api.url:
            lines.append(f"  {'':12}  not on this machine, so it responds with 503; add [apis.{api.name}] with its url")
        if api.url:
            lines.append(f"  {'':12}  yours; its client id is {api.client_id}")
            if not _listens(api.url):
                lines.append(f"  {'':12}  nothing listens there yet: start it, or correct the address")
    return [*lines, *(f"  {service.name:<12}  {service.base_url}" for service in table.azure)]


def _listens(url: str) -> bool:
    where = urlsplit(url)
    with contextlib.suppress(OSError), socket.create_connection((where.hostname or "", where.port or 80), timeout=1):
        return True
    return False


def _path(table: Table) -> str:
    """A route of the API to try: the one that `run --once` calls."""
    return table.graph_run_once or "/api/me"


def _next_commands(state: StackState, path: str) -> list[str]:
    if os.name == "nt":
        curl = [
            "$TOKEN = py dev.py token alice",
            f'curl.exe -i -H "Authorization: Bearer $TOKEN" {state.api_url}{path}',
        ]
    else:
        curl = [
            "TOKEN=$(python3 dev.py token alice)",
            f'curl -i -H "Authorization: Bearer $TOKEN" {state.api_url}{path}',
        ]
    commands = [f"{PYTHON} dev.py call alice {path}", f"{PYTHON} dev.py call maya --step-up {path}", *curl]
    return ["Next, in another terminal:", *(f"  {command}" for command in commands)]
