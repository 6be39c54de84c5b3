"""`token`, `call`, `mcp`, `exec`, `client` and `doctor`: what other terminals do with the running stack."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from emulators.functions_host.core_tools import func_environ
from emulators.local.az import write_program
from emulators.local.environment import process_environ
from emulators.local.errors import LocalError
from emulators.local.mcp import PATH, address, configuration
from emulators.local.settings_file import is_ours
from emulators.local.sign_in import checked_person, client_environ
from emulators.local.state import FOLDER, ROOT, StackState, running

_CLIENT = (sys.executable, "-m", "client")
_ALONE = """\
the API does not run: `dev.py emulators` leaves it to you. Start it in another terminal, with one of these:
  func start
  python3 dev.py exec -- python -m emulators.functions_host"""


def token(person: str | None, daemon: str | None) -> NoReturn:
    """An access token, alone on standard output."""
    _as_client(person, daemon, "--token")


def call(
    person: str | None,
    daemon: str | None,
    path: str,
    method: str | None,
    body: str | None,
    *,
    step_up: bool,
    consent: bool,
) -> NoReturn:
    """One call as that person or daemon. A claims challenge or a missing consent is shown, or satisfied if asked."""
    if person is not None:
        checked_person(person)
    state = _needed()
    if state.api_fault:
        raise LocalError(f"{state.api_fault} Then stop `dev.py run` and start it again.", exit_code=1)
    if state.command == "emulators" and not _listens(state.api_url):
        raise LocalError(_ALONE, exit_code=4)
    options = [] if step_up else ["--no-step-up"]
    options += ["--consent"] if consent else []
    options += ["-X", method] if method else []
    options += [f"--body={body}"] if body is not None else []
    _as_client(person, daemon, *options, "--", path)


def mcp(person: str) -> int:
    """The configuration of an MCP client that calls as that person, alone on standard output."""
    checked_person(person)
    state = _needed()
    if not address(state.api_url):
        raise LocalError(f"the running API has no route {PATH}; docs/mcp.md shows one", exit_code=1)
    environ = _client_environ(state, person)
    given = subprocess.run([*_CLIENT, "--token"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if given.returncode:
        return given.returncode  # the client has said why
    sys.stdout.write(configuration(f"{state.api_url}{PATH}", given.stdout.strip()) + "\n")
    return 0


def execute(command: Sequence[str], process: str = "api") -> NoReturn:
    """`command` with exactly the environment of the API process, or of an API behind it.

    For `func`, the environment also names the interpreter.
    """
    if not command:
        raise LocalError("which command? For instance: python3 dev.py exec -- python -V")
    environs = _needed().environ
    if process.lower() not in environs or process.lower() == "doctor":
        known = ", ".join(name for name in environs if name not in ("client", "doctor"))
        raise LocalError(f"the running stack knows no API {process!r}; there are {known}")
    environ = process_environ(environs[process.lower()])
    _become(command, func_environ(environ) if Path(command[0]).stem == "func" else environ)


def client(arguments: Sequence[str]) -> NoReturn:
    """The client application: at the running stack, or by its own settings when there is none or a file is named."""
    state = running()
    if state is None or any(argument.split("=")[0] == "--env-file" for argument in arguments):
        _become([*_CLIENT, *arguments], os.environ)
    _become([*_CLIENT, *arguments], _client_environ(state, None))


def doctor(arguments: Sequence[str]) -> NoReturn:
    """The doctor: at the running stack with its `az`, or by its own settings when there is none or a file is named.

    The file that the stack itself has written leads to the stack.
    """
    program, state = (sys.executable, "-m", "doctor"), running()
    files = [ROOT / file for file in _env_files(arguments)]
    if state is None or not all(map(is_ours, files)):
        _become([*program, *arguments], os.environ)
    if person := os.environ.get("EMULATORS_PERSON"):
        checked_person(person)
    own = {"API_BASE_URL": state.api_url, "EMULATORS_SIGN_IN_URL": state.sign_in_url}
    environ = process_environ({**state.environ["doctor"], **own})
    environ["PATH"] = os.pathsep.join((str(write_program(FOLDER / "bin")), environ["PATH"]))
    _become([*program, *arguments], environ)


def _env_files(arguments: Sequence[str]) -> list[str]:
    """The values of `--env-file`; "" for one that lacks its value."""
    following = (*arguments[1:], "")
    split = [argument.partition("=") for argument in arguments]
    return [
        value if equals else following[number]
        for number, (name, equals, value) in enumerate(split)
        if name == "--env-file"
    ]


def _as_client(person: str | None, daemon: str | None, *arguments: str) -> NoReturn:
    """The client, signed in as the person, or as the daemon, which has a secret of its own."""
    if person is not None:
        checked_person(person)
    state = _needed()
    if daemon is None:
        _become([*_CLIENT, *arguments], _client_environ(state, person))
    if daemon.lower() not in state.daemons:
        raise LocalError(f"there is no application {daemon!r}; there are {', '.join(state.daemons)} (see [app_roles])")
    own = state.daemons[daemon.lower()]
    _become([*_CLIENT, *arguments], client_environ({**own, **_log(state)}, state.api_url, state.sign_in_url, None))


def _client_environ(state: StackState, person: str | None) -> dict[str, str]:
    own = {**state.environ["client"], **_log(state)}
    return client_environ(own, state.api_url, state.sign_in_url, person)


def _log(state: StackState) -> dict[str, str]:
    """Where the client says that the API writes its log. An API that somebody else starts has its own terminal."""
    return {"EMULATORS_API_LOG": ".local/api.log"} if state.command == "run" else {}


def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((str(address.hostname), address.port or 80), timeout=2):
            return True
    except OSError:
        return False


def _needed() -> StackState:
    state = running()
    if state is None:
        raise LocalError("nothing is running. Type this in another terminal first: python3 dev.py run")
    return state


def _become(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Replaces this process with `command`, which gets its signals and gives its exit code."""
    # Windows, too, has to look in the PATH that the command will get.
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        raise LocalError(f"there is no program {command[0]!r} on the PATH", exit_code=127)
    os.chdir(ROOT)
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(program, list(command), dict(environ))  # noqa: S606 - the person's own command, as typed
    child = subprocess.Popen([program, *command[1:]], env=dict(environ))
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:  # the child has got it as well, and decides
            continue
