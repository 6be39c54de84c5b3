"""`explain`: why the API accepts or refuses an access token. The API's own checks run in a child process."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import requests

from client.output import reader_may_leave, tell
from emulators.local.environment import process_environ
from emulators.local.errors import LocalError
from emulators.local.settings_of import settings_of
from emulators.local.state import ROOT, StackState, running
from emulators.people import TENANTS

_CHECKS = (sys.executable, "-m", "shared.validation.explain")
_SECONDS = 60.0
_LONGEST_LINE = 4095  # characters that a terminal hands over at once; it drops the rest
_MAX_INPUT = 1 << 20
_NO_KEY = "the key set has no key with this kid"
_NEW_KEYS = (
    "The local stack makes new keys at each start: take a new token, as `python3 dev.py token alice` prints one."
)
_AFTERWARDS = (
    "If the API still refuses, the code in the response or its log says why. `dev.py doctor` checks the settings."
)
_LOGIN = "login.microsoftonline.com"
_FILE = "local.settings.json"
_EPILOG = """\
The token comes from the argument, from standard input, or from a prompt that shows nothing. An argument stays in the
history of the shell. Nothing is sent anywhere, and no value of a claim is shown without --values.

settings: --env-file, else those of the running local stack, else local.settings.json
exit code: 0 every check passes that could be made, 1 one fails, 2 wrong arguments"""


class _Settings(NamedTuple):
    environ: Mapping[str, str]
    source: str
    keys: Any = None
    """The JWKS of the running stack, if the settings are for its tenant."""


def explain(argv: Sequence[str]) -> int:
    """Prints the shape of the token and each check. Returns the exit code. Raises LocalError."""
    options = _parser().parse_args(argv)
    settings = _settings(options)
    keys = _key_file(options.keys) if options.keys else settings.keys
    token = _token(options.token)
    keys_are_local = keys is not None and not options.keys
    question = {"token": token, "environ": dict(settings.environ), "keys": keys, "values": options.values}
    answer = _ask(question)
    for check in answer.get("checks", ()):
        if keys_are_local and check["seen"] == _NO_KEY:
            check["advice"] = _NEW_KEYS
    return _show(answer, settings, has_keys=keys is not None, values=options.values)


def _settings(options: argparse.Namespace) -> _Settings:
    state = running()
    if options.env_file is not None:
        given = settings_of(options.env_file)
        is_local = given.get("AzureAd__TenantId", "").lower() in TENANTS
        keys = _published_keys(state, given) if state is not None and is_local else None
        return _Settings(given, f"the settings in {options.env_file.name}", keys)
    if state is not None:
        name = (options.api or "api").lower()
        if name not in state.environ or name == "client":
            known = ", ".join(each for each in state.environ if each != "client")
            raise LocalError(f"the running stack knows no API {options.api!r}; there are {known}")
        environ = state.environ[name]
        return _Settings(environ, "the settings of the running local stack", _published_keys(state, environ))
    if (ROOT / _FILE).is_file():
        return _Settings(settings_of(ROOT / _FILE), f"the settings in {_FILE}")
    raise LocalError("there are no settings. Give --env-file FILE, or start this first: python3 dev.py run")


def _published_keys(state: StackState, environ: Mapping[str, str]) -> Any:
    """The keys that the emulated Entra lists. None if it does not respond: the signature is then not checked."""
    tenant = environ.get("AzureAd__TenantId", "organizations")
    address = f"{state.sign_in_url}/{_LOGIN}/{tenant}/discovery/v2.0/keys"
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(address, timeout=5, allow_redirects=False).json()
    except (requests.RequestException, ValueError):
        return None


def _key_file(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as problem:
        raise LocalError(f"cannot read {path}: {problem.strerror}") from problem
    except ValueError:
        raise LocalError(f"{path} is not JSON; --keys takes a JWKS, such as Entra's discovery/v2.0/keys") from None


def _token(given: str | None) -> str:
    """The token, without what often stands before it."""
    if given is None or given == "-":
        if sys.stdin is None:
            raise LocalError("there is no standard input; give the token as an argument")
        text = _prompt() if sys.stdin.isatty() else sys.stdin.read(_MAX_INPUT)
    else:
        text = given
        if os.path.isfile(text):
            raise LocalError(f"{text} is the name of a file. To read the token in it: python3 dev.py explain < {text}")
    token = re.sub(r"\A(authorization:)?\s*(bearer(\s|\Z))?\s*", "", text.strip(), flags=re.IGNORECASE)
    if not token:
        raise LocalError("no token was given. For instance: python3 dev.py token alice | python3 dev.py explain")
    if token.startswith(("{", "[")):
        raise LocalError("this is JSON and no token: give the value of access_token alone, without quotes")
    return token


def _prompt() -> str:
    text = getpass.getpass("Access token (it is not shown): ", stream=sys.stderr)
    if len(text) >= _LONGEST_LINE:
        raise LocalError("the token is longer than a line of the terminal can be: write it to a file, and use < FILE")
    return text


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    """The API's own checks, in a process of their own. The token goes through a pipe."""
    done = subprocess.run(
        _CHECKS,
        cwd=ROOT,
        env=process_environ({}),
        input=json.dumps(question),
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise LocalError(f"the checks could not run: {last[0]}", exit_code=1)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _show(answer: Mapping[str, Any], settings: _Settings, *, has_keys: bool, values: bool) -> int:
    failed = [check for check in answer.get("checks", ()) if check["outcome"] == "FAILED"]
    with reader_may_leave():
        sys.stdout.write("\n".join(_lines(answer, settings, failed, values)) + "\n")
    if not has_keys and "checks" in answer:
        tell("The signature was not checked. --keys FILE takes the keys, which Entra lists at …/discovery/v2.0/keys.")
    return 1 if failed or "problems" in answer else 0


def _lines(
    answer: Mapping[str, Any], settings: _Settings, failed: Sequence[Mapping[str, str]], values: bool
) -> Iterator[str]:
    is_seen = sys.stdout.isatty() or os.environ.get("COLUMNS")
    width = max(80, shutil.get_terminal_size().columns) if is_seen else 0  # in a file or a pipe no line is broken
    for part, members in answer["shape"].items():
        if values:
            yield from (f"{part:8} {name}: {value}" for name, value in members.items())
        else:
            yield _filled(f"{part:8} ", " · ".join(f"{name} {kind}" for name, kind in members.items()), width)
    if not answer["shape"]:
        yield "There are no header and no claims that can be read."
    yield ""
    if "problems" in answer:
        yield f"With {settings.source}, every token gets 500 server_misconfigured:"
        yield from (_filled("  FAILED   ", f"{name} {told}", width) for name, told in answer["problems"].items())
        return
    yield f"The checks of the API, in order, with {settings.source}:"
    for check in answer["checks"]:
        yield from _lines_of_check(check, width)
    yield ""
    if failed:
        yield f"The API responds with {failed[0]['reply']}, because of this check: {failed[0]['name']}"
        return
    is_genuine = any(check["name"] == "signature" and check["outcome"] == "ok" for check in answer["checks"])
    told = (
        "The token is good."
        if is_genuine
        else "Every check passes that could be made, but the signature was not checked."
    )
    yield _filled("", f"{told} {_AFTERWARDS}", width)


def _lines_of_check(check: Mapping[str, str], width: int) -> Iterator[str]:
    start = f"  {check['outcome']:8} {check['name']:26} "
    if check["outcome"] == "FAILED":
        parts = {"seen": check["seen"], "expected": check["expected"], "to do": check["advice"]}
    elif check["outcome"] == "ok":
        parts = {"seen": f"{check['seen']}; expected: {check['expected']}"}
    else:
        parts = {"seen": check["seen"]}
    for label, text in parts.items():
        yield _filled(start, f"{label}: {text}", width)
        start = " " * len(start)


def _filled(start: str, text: str, width: int) -> str:
    if not width:
        return start + text
    indent = " " * len(start)
    return textwrap.fill(text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 dev.py explain",
        description="Why the API accepts or refuses an access token: each check, and what to change.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("token", nargs="?", metavar="TOKEN", help="the access token; - reads standard input")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="app settings: lines, or JSON of az or func")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="the key set (JWKS) that signs tokens")
    parser.add_argument("--api", metavar="NAME", help="an API behind yours in the running stack, such as Orders")
    parser.add_argument("--values", action="store_true", help="show the values of header, claims and settings")
    return parser
