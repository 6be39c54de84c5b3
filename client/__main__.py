"""`python3 dev.py client /api/me`: signs you in and calls the API as you."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from client.api import Api, Reply, call_as_user, checked_method, checked_path, claims_of, lacks_consent
from client.env_file import read_env_file
from client.errors import ClientError, SettingsError
from client.output import reader_may_leave, tell
from client.settings import Settings, is_loopback
from client.sign_in import AppSignIn, EntraSignIn, SignIn

_SHOWN = ("Content-Type", "WWW-Authenticate", "Retry-After", "Location", "Allow", "Cache-Control", "x-correlation-id")
_PATH = "what to call, under API_BASE_URL: the route of the function, as in /api/me"
_EPILOG = """\
settings, from the environment or --env-file (azd env get-values > .env):
  TENANT_ID CLIENT_APP_ID API_SCOPE API_BASE_URL [AUTHORITY_HOST] [CLIENT_SECRET]
  with CLIENT_SECRET the client calls as itself, and nobody signs in

exit code: 0 the API responded 2xx, 1 it responded something else, 2 wrong settings or arguments,
           3 no token from Entra ID, 4 the API did not respond"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may not have every character
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except ClientError as problem:
        tell(f"client: {problem}")
        return problem.exit_code
    except KeyboardInterrupt:
        tell("client: stopped")
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.token and arguments.path is None:
        raise SettingsError("which path? For instance: python3 dev.py client /api/me")
    environ = {**os.environ, **(read_env_file(arguments.env_file) if arguments.env_file else {})}
    settings = Settings.from_environ(environ, calling=not arguments.token)
    sign_in: SignIn = EntraSignIn(settings, device_code=arguments.device_code, tell=tell)
    if settings.client_secret:
        sign_in = AppSignIn(settings)
    if arguments.token:
        token = sign_in.access_token()
        with reader_may_leave():
            print(token)
        return 0
    api, path = Api(settings.api_base_url), checked_path(arguments.path)
    method = checked_method(arguments.method or ("GET" if arguments.body is None else "POST"))
    step_up, consent = arguments.step_up, arguments.consent
    reply = call_as_user(api, sign_in, method, path, arguments.body, step_up=step_up, consent=consent, tell=tell)
    with reader_may_leave():
        _show(reply, settings)
    _advise(reply, settings, step_up=step_up, consent=consent)
    _advise_on_route(reply, method, urlsplit(settings.api_base_url + path))
    return 0 if 200 <= reply.status < 300 else 1


def _show(reply: Reply, settings: Settings) -> None:
    print(f"{reply.status} {reply.reason}")
    for name in _SHOWN:
        if name in reply.headers:
            print(f"{name}: {reply.headers[name]}")
    print(f"\n{_to_open(_pretty(reply.text), settings)}")


def _to_open(text: str, settings: Settings) -> str:
    """`text` with links to the consent page that a person can open.

    With the emulators, a browser would open the authority at Microsoft. EMULATORS_SIGN_IN_URL has the local address.
    """
    address = os.environ.get("EMULATORS_SIGN_IN_URL")
    if not address:
        return text
    host = settings.authority_host.removeprefix("https://")
    pages = r"(/[^\s\"]+/(?:adminconsent|oauth2/v2\.0/authorize))"
    return re.sub(rf"https://{re.escape(host)}{pages}", rf"{address}/{host}\1", text)


def _advise(reply: Reply, settings: Settings, *, step_up: bool, consent: bool) -> None:
    """What the API asks for and which option gives it, unless the option was already used."""
    if (pause := reply.headers.get("Retry-After", "")).isdecimal():
        tell(f"Try again in {pause} s.")
    if reply.status >= 500 and (log := os.environ.get("EMULATORS_API_LOG")):
        tell(f"The cause is in the last lines of {log}")
    if claims := claims_of(reply):
        tell(f"The claims it asks for: {claims}")
        if not step_up:
            tell("Sign in again with them: the same command with --step-up.")
    if problem := lacks_consent(reply):
        tell(f"Nobody has consented to: {_words(problem.get('scopes'))}")
        if not consent:
            tell("Consent for yourself: the same command with --consent.")
        for member, who in (
            ("consent_url", "You consent"),
            ("admin_consent_url", "An administrator consents for everybody"),
        ):
            if problem.get(member):
                tell(f"{who} at {_to_open(str(problem[member]), settings)}")


def _advise_on_route(reply: Reply, method: str, url: SplitResult) -> None:
    """A Functions host sends an empty 404 when no function has the route. A function's own 404 has a body."""
    if reply.status != 404 or reply.text or "Content-Type" in reply.headers:
        return
    again = " After a change, stop `dev.py run` and start it again." if is_loopback(url.hostname or "") else ""
    tell(f"The running API has no route {method} {url.path}.{again} A path is what @app.route says, as in /api/me.")


def _words(scopes: object) -> str:
    return " ".join(map(str, scopes)) if isinstance(scopes, list) else "?"


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 dev.py client",
        description="Signs you in with Microsoft Entra ID and calls the API as you.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", nargs="?", help=_PATH)
    parser.add_argument("-X", "--method", help="GET, or POST when there is a body")
    parser.add_argument("-d", "--body", help="the body, sent as application/json")
    parser.add_argument("--consent", action="store_true", help="let the API act for you, if nobody has allowed it yet")
    parser.add_argument("--device-code", action="store_true", help="sign in on another device: no browser needed here")
    parser.add_argument(
        "--step-up",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="sign in again for a claims challenge; without it, only show it",
    )
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="settings file; wins over the environment")
    parser.add_argument("--token", action="store_true", help="print an access token and nothing else")
    return parser


if __name__ == "__main__":
    status = 0
    with reader_may_leave():  # of the help, too
        status = main()
    sys.exit(status)
