"""`dev.py bench fleet`: what N instances cost Entra, Redis and themselves, with and without the second level."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from maintainers.benchmarks import ROOT, document

from . import costs as unit_costs
from .fleet import HOUR, MINUTE, Fleet
from .measuring import measure
from .model import answer
from .plot import svg
from .scenarios import parts
from .simulation import simulate
from .table import as_json, as_markdown, as_text, for_the_page, saving

DOCUMENT, PICTURE = "docs/scale.md", "docs/scale-fleet.svg"
COMMAND = "python3 dev.py bench fleet --update-docs"
_PLAYED_REQUESTS = 150_000


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Prints the table; ends with 2 when the arguments make no sense. `root`: where the document is."""
    parser = _parser()
    options = parser.parse_args(arguments)
    usual = Fleet(
        options.instances,
        options.callers,
        options.requests_per_second,
        options.token_minutes * MINUTE,
        options.sessions,
        options.megabytes,
        options.scope_sets,
    )
    if min(usual.instances, usual.callers, usual.scope_sets) < 1 or usual.sessions < 0:
        parser.error("a fleet has at least one instance, one caller and one downstream API")
    if min(usual.requests_per_second, usual.token_seconds) <= 0:
        parser.error("requests per second and the life of a token must be more than nothing")
    if options.update_docs and (usual != Fleet() or options.limit is not None or options.costs is not None):
        parser.error("--update-docs: the document has the usual fleet, without a limit, and costs measured for it")
    try:
        costs = unit_costs.read(options.costs) if options.costs else _measured()
    except ValueError as error:
        parser.error(f"--costs: {error}")
    if options.save_costs:
        options.save_costs.write_text(f"{costs.as_json()}\n", encoding="utf-8")
    table = (parts(usual), usual, costs, options.limit)
    if options.svg:
        options.svg.write_text(svg(usual, costs), encoding="utf-8")
    if options.update_docs:
        document.update(root / DOCUMENT, COMMAND, for_the_page(parts(usual)[0], usual, costs))
        (root / PICTURE).write_text(svg(usual, costs), encoding="utf-8")
    if options.json:
        print(as_json(*table))
    else:
        shown = as_markdown if options.markdown or not sys.stdout.isatty() else as_text
        print(f"{saving(usual, costs)}\n\n{shown(*table)}")
    if options.play:
        print(_played(usual, options.seed))
    return 0


def _measured() -> unit_costs.Costs:
    print("measuring the costs of one request of each kind …", file=sys.stderr, flush=True)
    return measure()


def _played(usual: Fleet, seed: int) -> str:
    """The usual fleet, event by event, made small enough to be played in seconds."""
    lives = 3.0
    factor = min(1.0, _PLAYED_REQUESTS / (usual.requests_per_second * usual.token_seconds * (lives + 2)))
    small = usual.scaled(factor)
    counted = simulate(small, lives=lives, seed=seed)
    nothing = unit_costs.Costs(0, 0, 0, 0, 0, 1, 0, 0, "", "")
    expected = answer(small, nothing)
    hours = lives * small.token_seconds / HOUR / small.scope_sets
    return (
        f"Played event by event, at {factor:.2%} of its size, {counted.requests:,} requests (seed {seed}): "
        f"{counted.alone:,} exchanges, by the model {expected.alone.exchanges_per_hour * hours:,.0f}; "
        f"with Redis {counted.shared:,}, by the model {expected.shared.exchanges_per_hour * hours:,.0f}."
    )


def _to_be_written(name: str) -> Path:
    """Checked before anything is measured for it."""
    path = Path(os.path.abspath(name))
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written")
    return path


def _parser() -> argparse.ArgumentParser:
    usual = Fleet()
    parser = argparse.ArgumentParser("dev.py bench fleet", description=__doc__)

    def number(name: str, default: float, meaning: str) -> None:
        parser.add_argument(name, type=type(default), default=default, metavar="N", help=f"{meaning} ({default:.15g})")

    number("--instances", usual.instances, "of the API, in the usual fleet")
    number("--callers", usual.callers, "people with a token")
    number("--requests-per-second", usual.requests_per_second, "of the whole fleet")
    number("--token-minutes", usual.token_seconds / MINUTE, "for which a token lives")
    number("--sessions", float(usual.sessions), "per instance: TokenCache__MaxSessions")
    number("--megabytes", float(usual.megabytes), "of sessions: TokenCache__MaxMegabytes")
    number("--scope-sets", usual.scope_sets, "downstream APIs that each caller needs")
    parser.add_argument("--limit", type=float, metavar="N", help="marks what exceeds so many exchanges per second")
    parser.add_argument("--costs", type=Path, metavar="FILE", help="what --save-costs wrote: no measuring")
    parser.add_argument(
        "--save-costs",
        type=_to_be_written,
        metavar="FILE",
        help="writes the measured costs of one request of each kind",
    )
    parser.add_argument("--play", action="store_true", help="also plays a small one event by event")
    number("--seed", 1, "of --play")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="as tables also on a terminal")
    parser.add_argument("--svg", type=_to_be_written, metavar="FILE", help="draws the picture there")
    parser.add_argument(
        "--update-docs", action="store_true", help=f"writes {DOCUMENT} and {PICTURE}: the usual fleet, measured now"
    )
    return parser
