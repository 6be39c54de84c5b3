"""Access tokens of the person who is signed in to the Azure CLI. Nothing else is asked of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import NamedTuple

from .verdicts import CannotTellError, command

TIMEOUT_SECONDS = 60
_PLAIN = re.compile(r"[A-Za-z0-9:/._\-]{1,400}")  # on Windows cmd.exe reads the arguments again
_NUMBER = re.compile(r"AADSTS\d+")


class Refusal(NamedTuple):
    """What a number of Entra means. `right`: what the person lacks, where a new sign-in does not help."""

    meaning: str
    right: str = ""


REFUSALS = {
    "AADSTS50034": Refusal("the tenant has no such account"),
    "AADSTS50074": Refusal("Entra demands a second factor"),
    "AADSTS50076": Refusal("Entra demands a second factor"),
    "AADSTS50079": Refusal("Entra demands a second factor, and none is set up"),
    "AADSTS50105": Refusal("you are not assigned to the application", "an assignment, which an administrator gives"),
    "AADSTS50173": Refusal("the sign-in was revoked, as by a new password"),
    "AADSTS53000": Refusal("a policy demands a managed device", "a device that the policy lets in"),
    "AADSTS53003": Refusal(
        "Conditional Access blocks you, and a new sign-in does not help",
        "another account, or an administrator who changes the policy",
    ),
    "AADSTS65001": Refusal("nobody has consented to this for the Azure CLI"),
    "AADSTS70043": Refusal("the sign-in is too old for a policy"),
    "AADSTS90002": Refusal("Entra knows no such tenant"),
    "AADSTS500011": Refusal("the tenant has no such application", "an API_SCOPE of an application in this tenant"),
    "AADSTS700082": Refusal("nobody has used the sign-in for long, so it has ended"),
}
"""By the numbers of https://learn.microsoft.com/entra/identity-platform/reference-error-codes."""


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
        found = _NUMBER.search(done.stderr)
        number = found[0] if found else ""
        refusal = REFUSALS.get(number, Refusal(""))
        why = ": ".join(filter(None, (f"the Azure CLI has no token for {scope}", number, refusal.meaning)))
        raise TokenRefusedError(why, refusal.right or command("az", "login", *of_tenant, "--scope", scope), number)
    try:
        return str(json.loads(done.stdout)["accessToken"])
    except (ValueError, KeyError, TypeError):
        raise CannotTellError("the Azure CLI printed no token", command("az", "upgrade")) from None
