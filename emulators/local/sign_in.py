"""The client application, signing in at the running stack: which variables it gets, and what plays its browser."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from emulators.local.environment import process_environ
from emulators.local.errors import LocalError
from emulators.people import EVERYONE, PEOPLE


def checked_person(name: str) -> str:
    """`name`, if somebody of that name has an account. Raises LocalError."""
    if name not in EVERYONE:
        raise LocalError(f"there is nobody called {name!r}; there are {', '.join(PEOPLE)}")
    return name


def client_environ(own: Mapping[str, str], api_url: str, sign_in_url: str, person: str | None) -> dict[str, str]:
    """The client's environment. `person` signs in automatically. With None, the sign-in page opens in the browser."""
    tenant = {"TENANT_ID": EVERYONE[person].tenant} if person else {}
    # The webbrowser module splits BROWSER at os.pathsep, so the address goes in a variable of its own.
    program = [shlex.quote(sys.executable.replace("\\", "/")), "-m", "emulators.browser"]
    browser = " ".join([*program, *(["--as", person] if person else []), "%s"])
    return process_environ(
        {**own, **tenant, "API_BASE_URL": api_url, "BROWSER": browser, "EMULATORS_SIGN_IN_URL": sign_in_url}
    )
