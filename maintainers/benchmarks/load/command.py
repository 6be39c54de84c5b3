"""`dev.py bench load`: a realistic mix through real HTTP against several processes of the API."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from maintainers.benchmarks import ROOT, document
from maintainers.benchmarks.machine import machine
from maintainers.tests.redis.server import WHY_NOT, program

from .run import Ask, Run, run
from .table import as_json, as_markdown, as_text
from .verdict import problems

DOCUMENT, COMMAND = "docs/load.md", "python3 dev.py bench load --update-docs"
DOCUMENTED = {
    "Without Redis": Ask(),
    "With Redis": Ask(redis=True),
    "With Redis, killed half-way": Ask(redis=True, kill_redis=True),
}
MOST_SECONDS = 1800  # what was exchanged is renewed after most of an hour


def main(arguments: list[str]) -> int:
    """Runs, prints, and returns 1 when something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not 1 <= options.seconds <= MOST_SECONDS or options.processes < 1 or options.rate <= 0 or options.threads < 1:
        parser.error(f"1 to {MOST_SECONDS} seconds, and at least one process, thread and request per second")
    if options.update_docs and arguments != ["--update-docs"]:
        parser.error("--update-docs goes alone: the document has the usual runs")
    redis = options.redis or options.kill_redis
    if (redis or options.update_docs) and program() is None:
        parser.error(WHY_NOT)
    if options.update_docs:
        return update_docs(ROOT / DOCUMENT, _run)
    shape = options.seconds, options.processes, options.rate, options.threads, options.seed
    ran = _run(Ask(*shape, redis, options.kill_redis))
    if options.json:
        print(as_json(ran))
    else:
        shown = as_markdown if options.markdown or not sys.stdout.isatty() else as_text
        print(f"{shown(ran)}\n\nMeasured on {machine()}.")
    return 1 if problems(ran) else 0


def update_docs(path: Path, measure: Callable[[Ask], Run]) -> int:
    """The document's three runs, one after the other. Returns 1, and leaves it as it is, when one is not well."""
    parts = []
    for title, ask in DOCUMENTED.items():
        print(f"measuring: {title}", file=sys.stderr, flush=True)
        ran = measure(ask)
        parts.append(f"### {title}\n\n{as_markdown(ran)}")
        print(f"{parts[-1]}\n", flush=True)
        if problems(ran):
            print(f"dev.py bench load: {path.name} is left as it is", file=sys.stderr)
            return 1
    document.update(path, COMMAND, "\n\n".join([*parts, f"Measured on {machine()}."]))
    return 0


def _run(ask: Ask) -> Run:
    return run(ask, lambda line: print(line, file=sys.stderr, flush=True))


def _parser() -> argparse.ArgumentParser:
    usual = Ask()
    parser = argparse.ArgumentParser("dev.py bench load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=usual.seconds, metavar="N", help="how long (%(default)g)")
    parser.add_argument("--processes", type=int, default=usual.processes, metavar="P", help="of the API (%(default)d)")
    parser.add_argument(
        "--rate",
        type=float,
        default=usual.per_second,
        metavar="N",
        help="requests per second, all together (%(default)g)",
    )
    parser.add_argument("--threads", type=int, default=usual.threads, metavar="N", help="that call (%(default)d)")
    parser.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="of the mix (%(default)d)")
    parser.add_argument("--redis", action="store_true", help="with a second level: a redis-server of this run's own")
    parser.add_argument("--kill-redis", action="store_true", help="--redis, which is killed half-way, and comes back")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as tables also on a terminal")
    parser.add_argument(
        "--update-docs", action="store_true", help=f"three usual runs, without Redis, with it, killed, into {DOCUMENT}"
    )
    return parser
