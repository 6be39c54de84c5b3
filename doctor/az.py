"""Access tokens of the person who is signed in to the Azure CLI. Nothing else is asked of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

from .verdicts import CannotTellError, command

TIMEOUT_SECONDS = 60
_PLAIN = re.compile(r"[A-Za-z0-9:/._\-]{1,400}")  # on Windows cmd.exe reads the arguments again
_NUMBER = re.compile(r"AADSTS\d+")


class TokenRefusedError(CannotTellError):
    """Entra gives no such token. `number`: AADSTS and digits, or ""."""

    def __init__(self, why: str, right: str, number: str) -> None:
        super().__init__(why, right)
        self.number = number


def az_token(scope: str, tenant: str) -> str:
    """An access token for `scope`; `tenant` may be "". Raises CannotTellError. The reason never holds what az wrote."""
    if not all(_PLAIN.fullmatch(one) for one in (scope, tenant or "-")):
        raise CannotTellError(
            "a scope or a tenant holds characters that no such name has", "settings without such characters"
        )
    program = shutil.which("az")
    if program is None:
        raise CannotTellError("the Azure CLI (az) is not installed", "the Azure CLI: https://aka.ms/azure-cli")
    of_tenant = ("--tenant", tenant) if tenant else ()
    arguments = ("account", "get-access-token", "--scope", scope, *of_tenant, "--output", "json")
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise CannotTellError("the Azure CLI does not respond", command("az", "version")) from None
    if done.returncode:
        number = _NUMBER.search(done.stderr)
        why = f"the Azure CLI has no token for {scope}" + (f": {number[0]}" if number else "")
        raise TokenRefusedError(why, command("az", "login", *of_tenant, "--scope", scope), number[0] if number else "")
    try:
        return str(json.loads(done.stdout)["accessToken"])
    except (ValueError, KeyError, TypeError):
        raise CannotTellError("the Azure CLI printed no token", command("az", "upgrade")) from None
