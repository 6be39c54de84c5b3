"""What the hooks share: running `az` and `azd`, and speaking to the person at the terminal.

Standard library only: azd starts a hook with any Python that it finds, and installs nothing for it.

`az` and `azd` are found with shutil.which and started without a shell. On Windows `az` is a .cmd file, and cmd.exe
parses its arguments again. So `run` refuses arguments that cmd.exe would interpret, on every system.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 120
_ACTED_UPON = re.compile(r"[&|<>^%()!\"\r\n]")


class UnavailableError(Exception):
    """The program is missing, or did not do what it was asked; the message says which and why."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and what it wrote."""

    ok: bool
    text: str
    error: str

    @property
    def reason(self) -> str:
        """The most useful line of its error output."""
        lines = [line.replace("ERROR:", "").strip() for line in (self.error or self.text).splitlines()]
        return next((line[:300].rstrip(".") for line in lines if line), "no reason given")


def run(program: str, *arguments: str) -> Outcome:
    """Runs `program` to its end. Raises UnavailableError when it cannot be started or does not end."""
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program} is not installed")
    for argument in arguments:
        if _ACTED_UPON.search(argument):
            raise UnavailableError(f"cmd.exe would act upon {argument!r}")
    try:
        done = subprocess.run(  # noqa: S603 - a program of that name, arguments of our own making
            [path, *arguments],
            cwd=ROOT,
            env={**os.environ, "AZD_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{program} {arguments[0]} did not respond in {TIMEOUT_SECONDS} s") from None
    except OSError as problem:
        raise UnavailableError(f"{program} cannot be started: {problem}") from None
    return Outcome(done.returncode == 0, done.stdout, done.stderr)


def output(program: str, *arguments: str) -> Any:
    """The JSON output of `program`. Raises UnavailableError when there is none."""
    outcome = run(program, *arguments, "--output", "json")
    if not outcome.ok:
        raise UnavailableError(outcome.reason)
    try:
        return json.loads(outcome.text or "null")
    except ValueError:
        raise UnavailableError(f"{program} {arguments[0]} did not return JSON") from None


def az(*arguments: str) -> Any:
    """The JSON output of the Azure CLI."""
    return output("az", *arguments, "--only-show-errors")


def az_object(*arguments: str) -> dict[str, Any]:
    """The JSON output of the Azure CLI, which must be an object."""
    found = az(*arguments)
    if not isinstance(found, dict):
        raise UnavailableError(f"az {arguments[0]} did not return what was asked")
    return found


def get(url: str, *parameters: str) -> dict[str, Any]:
    """The response of Azure Resource Manager or Microsoft Graph, as the person signed in to the Azure CLI.

    A `url` without a host is one of Azure Resource Manager, in the cloud that the Azure CLI is signed in to.
    """
    return az_object(
        "rest", "--method", "GET", "--url", url, *(["--url-parameters", *parameters] if parameters else [])
    )


def remember(name: str, value: str) -> None:
    """Stores a value in the azd environment, where the next hook reads it. Raises UnavailableError."""
    outcome = run("azd", "env", "set", name, value)
    if not outcome.ok:
        raise UnavailableError(outcome.reason)


def told(name: str, default: str = "") -> str:
    """A value of the azd environment: azd hands them to a hook as environment variables."""
    return os.environ.get(name, "").strip() or default


def say(text: str = "") -> None:
    """One line, or several, to the person at the terminal, who may have a console that shows ASCII only."""
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
