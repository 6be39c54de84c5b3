"""As many random inputs as fit into the given time, with figures. The exit status is 1 when one of them was let in.

Each class is tried at least once. If the time is too short, the run takes some seconds longer.

python3 dev.py fuzz [--seconds N] [--seed S] [--only CLASS [--inputs N] [--memory]]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import thread_time

from maintainers.tests.forgery.target import Target
from shared.settings.settings import Settings
from tests.support.clock import RunningClock
from tests.support.lab import Lab
from tests.support.leaks import LeakWatch
from tests.support.live import Live, running

from . import inputs, over_http, responses, tokens, whole_responses
from .case import Case, Figures
from .rounds import Turn, full, turns

STRANGERS = ("forged tokens", "ruined tokens", "no tokens", "HTTP")  # who must never meet a 5xx


@contextmanager
def laboratory() -> Iterator[tuple[Lab, Live, LeakWatch]]:
    """The emulated tenant, the two apps running, and this process's environment pointing at them."""
    with ExitStack() as exits:
        watch = exits.enter_context(LeakWatch())
        live = exits.enter_context(running(Path(exits.enter_context(tempfile.TemporaryDirectory())), watch))
        for name in ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
            os.environ.pop(name, None)
        os.environ.update(live.stack.environ("api"))
        yield Lab(live.stack, RunningClock()), live, watch


def usual_seconds(target: Target) -> float:
    """How long a genuine token takes."""
    times = []
    for _ in range(50):
        token = target.genuine().token()
        started = thread_time()
        target.open(token)
        times.append(thread_time() - started)
    return median(times)


def try_one_turn(turn: Turn, figures: Figures) -> None:
    if turn.weigh:
        tracemalloc.start()
    try:
        turn.case.run(figures, turn.inputs, turn.seed)
    finally:
        if turn.weigh:
            tracemalloc.stop()


def show(figures: dict[str, Figures], usual: float) -> None:
    print(f"{'class':22} {'tried':>8} {'let in':>6} {'5xx':>5} {'slowest':>9} {'memory':>9}  answers")
    for name, one in figures.items():
        let_in = one.statuses.get(200, 0) if "token" in name else "-"
        failed = sum(n for s, n in one.statuses.items() if s >= 500) if name in STRANGERS else "-"
        said = " ".join(f"{status}:{count}" for status, count in sorted(one.statuses.items()))
        slowest = f"{one.slowest / usual:.1f} x" if one.slowest and name != "HTTP" else "-"
        memory = f"{one.largest / 1024:.0f} KB" if one.largest and name != "HTTP" else "-"
        print(f"{name:22} {one.tried:>8} {let_in:>6} {failed:>5} {slowest:>9} {memory:>9}  {said}")
    print(
        f"slowest: in multiples of the processor time for a genuine token, {usual * 1e6:.0f} µs; memory: at the highest"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python3 dev.py fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="CLASS", help="one turn of one class; with what was shown, the same again")
    parser.add_argument("--inputs", type=int, metavar="N", help="with --only: so many")
    parser.add_argument("--memory", action="store_true", help="with --only: a turn in which memory is weighed")
    options = parser.parse_args(arguments)
    logging.getLogger("shared").propagate = False  # thousands of refusals, each with its line
    with laboratory() as (lab, live, watch):
        target = Target(lab)
        usual = usual_seconds(target)
        cases = [
            *tokens.cases(Target(lab)),
            *inputs.cases(),
            *responses.cases(Settings.from_environ(lab.environ())),
            *whole_responses.cases(lab),
            *over_http.cases(live, watch),
        ]
        only = next((case for case in cases if case.name == options.only), None)
        if options.only is None:
            return fuzz(cases, turns(cases, options.seed, options.seconds, time.monotonic), usual, watch)
        if only is None:
            parser.error(f"there is no class {options.only!r}, but {', '.join(case.name for case in cases)}")
        inputs_of_turn = options.inputs or full(only, weigh=options.memory)
        return fuzz([only], [Turn(only, options.seed, inputs_of_turn, options.memory)], usual, watch)


def fuzz(cases: Iterable[Case], planned: Iterable[Turn], usual: float, watch: LeakWatch) -> int:
    """Takes the turns in order, up to the first that fails or Ctrl-C, and shows what came of them."""
    figures, code = {case.name: Figures() for case in cases}, 0
    for turn in planned:
        try:
            try_one_turn(turn, figures[turn.case.name])
        except KeyboardInterrupt:
            print("fuzz: stopped; so far:", file=sys.stderr)
            code = 130
            break
        except Exception as error:  # noqa: BLE001 — whatever a failing input ends in
            tell(turn, error)
            code = 1
            break
    show(figures, usual)
    for leak in watch.found():
        print(f"leaked: {leak}", file=sys.stderr)
    return 1 if watch.found() else code


def tell(turn: Turn, error: Exception) -> None:
    """What was found, and how to find it again."""
    print("".join(getattr(error, "__notes__", [])), file=sys.stderr)
    print(f"found in {turn.case.name}: {type(error).__name__}: {error}", file=sys.stderr)
    again = f"--only {turn.case.name!r} --seed {turn.seed} --inputs {turn.inputs}{' --memory' if turn.weigh else ''}"
    print(f"again: python3 dev.py fuzz {again}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the first turn
        sys.exit(130)
