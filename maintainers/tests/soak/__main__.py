"""`python -m maintainers.tests.soak`, which is what `python3 dev.py soak` runs. Returns 1 when anything was wrong."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from maintainers.tests.soak.plan import HOT
from maintainers.tests.soak.report import Options
from maintainers.tests.soak.running import soak


def main(arguments: list[str]) -> int:
    """Soaks and prints what came of it."""
    options = _parser().parse_args(arguments)
    chosen = Options(options.seconds, options.seed, options.people, options.threads, options.logs)
    print(f"soak: {chosen.seconds:g} s, seed {chosen.seed}", file=sys.stderr, flush=True)
    report = soak(chosen, _show)
    print(report.text())
    return 0 if report.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "dev.py soak", description="Many people, threads and troubles: see maintainers/tests/soak."
    )
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (60)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), metavar="S", help="by chance")
    parser.add_argument("--people", type=_people, default=200, metavar="N", help="how many (200)")
    parser.add_argument("--threads", type=int, default=32, metavar="N", help="that call (32)")
    parser.add_argument("--logs", type=Path, default=Options.logs, metavar="DIR", help="where to (.local/soak)")
    return parser


def _people(text: str) -> int:
    if int(text) <= max(HOT):
        raise argparse.ArgumentTypeError(f"at least {max(HOT) + 1}: one of each kind")
    return int(text)


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
