"""`python3 dev.py doctor`: compares what the API is told with what the tenant and the subscription have."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from client.api import checked_path
from client.errors import ClientError
from client.output import reader_may_leave, tell

from .case import Case
from .checks import CHECKS
from .given import Given
from .on_stack import on_stack
from .report import as_json, exit_code, text
from .verdicts import Verdict, judged

_EPILOG = """\
It reads only. `az login` gives it tokens; it shows none of them, no secret, and no value of the site's settings.
Settings come from the running local stack. With --env-file, or with nothing running, they come from the environment and
the files:
  azd env get-values > .env
  python3 dev.py doctor --env-file .env --env-file local.settings.json

exit code: 0 all is well, 1 something is wrong, 2 something cannot be told, or wrong arguments"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may not have every character
    arguments = _parser().parse_args(argv)
    try:
        case = Case(Given.read(os.environ, arguments.env_file), path=checked_path(arguments.path))
        verdicts = list(examined(case))
        you = case.you
    except ClientError as problem:
        tell(f"doctor: {problem}")
        return 2
    except KeyboardInterrupt:
        tell("doctor: stopped")
        return 130
    with reader_may_leave():
        print(as_json(verdicts, you) if arguments.json else text(verdicts, you))
    return exit_code(verdicts)


def examined(case: Case) -> Iterator[Verdict]:
    """The verdict of each check in the table."""
    found = (judged(check, case) for check in CHECKS)
    yield from map(on_stack, found) if case.at_local_stack else found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 dev.py doctor",
        description="Why does my tenant refuse? Compares settings, registration, vault, grants, roles and app.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env-file", type=Path, action="append", default=[], metavar="FILE", help="settings; the last file wins"
    )
    parser.add_argument("--path", default="/api/me", help="a GET that any user may call; /api/me unless given")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")
    return parser


if __name__ == "__main__":
    status = 0
    with reader_may_leave():  # of the help, too
        status = main()
    sys.exit(status)
