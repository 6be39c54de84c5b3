"""What a person reads when the stack is up."""

from __future__ import annotations

import os
from collections.abc import Sequence

from emulators.local.state import StackState
from emulators.people import PEOPLE

PYTHON = "py" if os.name == "nt" else "python3"


def banner(state: StackState, *, started_in: float, api: str, redis: str = "", notes: Sequence[str] = ()) -> str:
    """Addresses, people, and the commands to try next.

    `api` says what serves the API, `redis` where the one it shares is, if any; `notes` come before the end.
    """
    lines = [
        f"Ready in {started_in:.1f} s. Everything runs on this machine; nothing leaves it.",
        "",
        f"  API           {state.api_url}/api/me   ({api})",
        f"  Orders API    {state.orders_url}/api/orders",
        f"  Sign-in page  {state.sign_in_url}",
        *([f"  Redis         {redis}   (the API shares its exchanged tokens there)"] if redis else []),
        f"  Logs          .local{os.sep}*.log",
        "",
        *people(),
        "",
        *_next_commands(state),
        "",
        *notes,
        "Ctrl-C stops everything. Every hop appears below as it happens.",
    ]
    return "\n".join(lines)


def people() -> list[str]:
    """One line each: the name to use in a command, and what it shows."""
    return [f"  {person.name:<8}{person.about}" for person in PEOPLE.values()]


def _next_commands(state: StackState) -> list[str]:
    if os.name == "nt":
        curl = [
            "$TOKEN = py dev.py token alice",
            f'curl.exe -i -H "Authorization: Bearer $TOKEN" {state.api_url}/api/me',
        ]
    else:
        curl = [
            "TOKEN=$(python3 dev.py token alice)",
            f'curl -i -H "Authorization: Bearer $TOKEN" {state.api_url}/api/me',
        ]
    commands = [f"{PYTHON} dev.py call alice /api/me", f"{PYTHON} dev.py call maya --step-up /api/me", *curl]
    return ["Next, in another terminal:", *(f"  {command}" for command in commands)]
