"""`dev.py bench load`: a realistic mix through real HTTP against several processes of the API."""

from __future__ import annotations

import argparse
import sys

from .redis_server import WHY_NOT, program
from .run import Ask, run
from .table import as_json, as_markdown, as_text
from .verdict import problems

MOST_SECONDS = 1800  # what was exchanged is renewed after most of an hour


def main(arguments: list[str]) -> int:
    """Runs, prints, and returns 1 when something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not 1 <= options.seconds <= MOST_SECONDS or options.processes < 1 or options.rate <= 0 or options.threads < 1:
        parser.error(f"1 to {MOST_SECONDS} seconds, and at least one process, thread and request per second")
    redis = options.redis or options.kill_redis
    if redis and program() is None:
        print(f"dev.py bench load: {WHY_NOT}; running without it", file=sys.stderr)
        redis = False
    ask = Ask(
        options.seconds,
        options.processes,
        options.rate,
        options.threads,
        options.seed,
        redis,
        redis and options.kill_redis,
    )
    ran = run(ask, lambda line: print(line, file=sys.stderr, flush=True))
    if options.json:
        print(as_json(ran))
    else:
        print((as_markdown if options.markdown or not sys.stdout.isatty() else as_text)(ran))
    return 1 if problems(ran) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("dev.py bench load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (60)")
    parser.add_argument("--processes", type=int, default=2, metavar="P", help="of the API (2)")
    parser.add_argument("--rate", type=float, default=40.0, metavar="N", help="requests per second, all together (40)")
    parser.add_argument("--threads", type=int, default=16, metavar="N", help="that call (16)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the mix")
    parser.add_argument("--redis", action="store_true", help="with a second level: a redis-server of this run's own")
    parser.add_argument("--kill-redis", action="store_true", help="--redis, which is killed half-way, and comes back")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as tables also on a terminal")
    return parser
