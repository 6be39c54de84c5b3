"""`python -m emulators.local COMMAND`: what `dev.py COMMAND` hands over once the environment is made."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from client.output import tell
from emulators.local import interrupts
from emulators.local.errors import LocalError
from emulators.table import TableError, read_table

_OWN = ("emulators", "shared", "client", "doctor")


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    started = time.monotonic()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old console may not have the arrows
    try:
        return _run(argv, started)
    except LocalError as problem:
        tell(f"dev.py: {problem}")
        return problem.exit_code
    except TableError as problem:
        tell(f"dev.py: {problem}")
        return 2
    except ModuleNotFoundError as missing:  # a Python that DEV_PYTHON named: nothing is installed into that
        if str(missing.name).partition(".")[0] in _OWN:
            raise
        tell(f"dev.py: this Python lacks {missing.name}: {sys.executable} -m pip install -r requirements-run.txt")
        return 2
    except KeyboardInterrupt:
        tell("dev.py: stopped")
        return 130


def _run(argv: Sequence[str], started: float) -> int:
    command, rest = (argv[0], list(argv[1:])) if argv else ("", [])
    if command in ("exec", "client", "doctor"):  # whatever follows is not ours to read
        from emulators.local import commands

        if command == "doctor":
            commands.doctor(rest)
        return _execute(rest) if command == "exec" else commands.client(rest)
    if command == "explain":
        from emulators.local.explain import explain

        return explain(rest)
    options = _parsed(argv)
    if command in ("token", "call", "mcp"):
        from emulators.local import commands

        if command == "mcp":
            return commands.mcp(options.person)
        if command == "token":
            commands.token(getattr(options, "person", None), options.app)
        commands.call(
            getattr(options, "person", None),
            options.app,
            options.path,
            options.method,
            options.body,
            step_up=options.step_up,
            consent=options.consent,
        )
    table = read_table(more=getattr(options, "apis", None))
    if command == "run":
        _tell_ignored_settings()
    interrupts.all_as_keyboard_interrupt()
    if options.stop_with_stdin:
        interrupts.at_end_of_stdin()
    if command == "run" and options.once:
        from emulators.local.once import run_once

        return run_once(options.port or 0, options.engine, table, redis=options.redis, started=started)
    from emulators.local.ports import DEFAULT_PORT
    from emulators.local.serving import serve

    first_port = DEFAULT_PORT if options.port is None else options.port
    engine = getattr(options, "engine", "auto")
    return serve(command, first_port, engine, table, redis=options.redis, started=started, origins=options.origin)


def _execute(rest: list[str]) -> NoReturn:
    from emulators.local import commands

    process = "api"
    if rest[:1] == ["--api"]:
        process, rest = (rest[1] if len(rest) > 1 else ""), rest[2:]
    commands.execute(rest[1:] if rest[:1] == ["--"] else rest, process)


def _tell_ignored_settings() -> None:
    from emulators.local.environment import ignored_settings

    if names := ", ".join(ignored_settings()):
        tell(f"ignored from your shell: {names} (dev.py run sets its own; add yours to local-stack.toml)")


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser, commands = _parser(as_app=any(word.partition("=")[0] == "--app" for word in argv))
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        known = re.findall(r"--([\w-]+)", commands[options.command].format_usage())
        near = difflib.get_close_matches(unknown[0].partition("=")[0].lstrip("-"), known, n=1)
        guess = f"; did you mean --{near[0]}?" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{guess}")
    return options


def _parser(*, as_app: bool = False) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser, and those of the commands. `as_app`: an application calls, so no person is named."""
    parser = argparse.ArgumentParser("dev.py", usage="python3 dev.py --help explains every command", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, prog="dev.py")
    run, emulators = commands.add_parser("run"), commands.add_parser("emulators")
    for command in (run, emulators):
        command.add_argument("--port", type=_port, metavar="N", help="the first of five ports in a row; 0 takes any")
        command.add_argument("--redis", metavar="URL", help="where the API shares what it has exchanged")
        command.add_argument(
            "--origin", type=_origin, action="append", default=[], metavar="URL", help="a browser app's"
        )
        command.add_argument("--api", action=_Api, metavar="NAME=URL", help="an API of yours that runs at URL")
        command.add_argument("--scope", action=_Scope, metavar="SCOPE", help="a scope of the --api before it")
        command.add_argument("--stop-with-stdin", action="store_true", help=argparse.SUPPRESS)
    run.add_argument("--once", action="store_true", help="sign alice in, call the API twice, show every hop, stop")
    run.add_argument("--engine", choices=["auto", "func", "worker", "sdk"], default="auto", help="what serves the API")
    token, call = commands.add_parser("token"), commands.add_parser("call")
    for command in (token, call):
        if not as_app:
            command.add_argument("person", metavar="PERSON")
        command.add_argument("--app", metavar="NAME", help="an application of local-stack.toml, in place of a person")
    call.add_argument("path", metavar="PATH", help="for instance /api/me")
    call.add_argument("-X", "--method", help="GET, or POST when there is a body")
    call.add_argument("-d", "--body", help="the body, as JSON")
    call.add_argument("--consent", action="store_true", help="give a consent that is missing, instead of showing it")
    call.add_argument("--step-up", action="store_true", help="sign in again for a claims challenge")
    commands.add_parser("mcp").add_argument("person", metavar="PERSON")
    return parser, commands.choices


class _Api(argparse.Action):
    """`--api NAME=URL`: begins the entry of an API, as it would be in local-stack.toml."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        name, sign, url = str(values).partition("=")
        if not sign:
            parser.error(f"--api takes NAME=URL, such as Stock=http://127.0.0.1:9000, not {values!r}")
        apis: dict[str, dict[str, Any]] = getattr(namespace, "apis", {})
        if name in apis:
            parser.error(f"--api {name} is there twice: give each API another name")
        namespace.apis = {**apis, name: {"url": url}}


class _Scope(argparse.Action):
    """`--scope SCOPE`: belongs to the last --api."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        apis: dict[str, dict[str, Any]] = getattr(namespace, "apis", {})
        if not apis:
            parser.error(f"--scope {values} comes after the --api that it belongs to")
        apis[next(reversed(apis))].setdefault("scopes", []).append(str(values))


def _origin(text: str) -> str:
    from emulators.functions_host.cors import checked_origin

    try:
        return checked_origin(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _port(text: str) -> int:
    if not text.isdecimal() or 0 < int(text) < 1024 or int(text) > 65535 - 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to {65535 - 4}, nor 0 for any")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
