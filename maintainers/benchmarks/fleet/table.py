"""The table, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from maintainers.benchmarks.document import table

from .costs import Costs
from .fleet import HOUR, MINUTE, Fleet
from .model import Answer, Level, answer
from .published import THROTTLING, assumptions
from .scenarios import Part

HEADER = (
    "exchanges an hour",
    "exchanges per token",
    "requests that wait for an exchange",
    "exchanges in the 1st minute after a restart",
    "Redis: commands/s",
    "Redis: memory",
    "instance: sessions",
    "instance: memory",
    "instance: CPU",
)
_READ_AS = (
    "`a → b`: a without Redis, b with it. In brackets: during the first minute after a restart. Memory and CPU (of one "
    "core) of an instance are those of this template alone."
)


def as_markdown(parts: Sequence[Part], usual: Fleet, costs: Costs, limit: float | None) -> str:
    """Tables with what stands below them."""
    blocks = [f"{_whose(usual)} fleet (\\*): {described(usual)}. Each part changes one thing. {_READ_AS}", ""]
    for part in parts:
        blocks += [table((part.title, *HEADER), _cells(part, usual, costs, limit)).replace("*", r"\*"), ""]
    return "\n".join([*blocks, *_notes(usual, costs, limit)])


def for_the_page(part: Part, usual: Fleet, costs: Costs) -> str:
    """One table and the costs that it is calculated from: what fits on the page. The command prints the rest."""
    cells = table((part.title, *HEADER), _cells(part, usual, costs, None)).replace("*", r"\*")
    return f"{_whose(usual)} fleet (\\*): {described(usual)}. {_READ_AS}\n\n{cells}\n\n{_unit_costs(costs)}"


def as_text(parts: Sequence[Part], usual: Fleet, costs: Costs, limit: float | None) -> str:
    """The same for a terminal: one column under the other."""
    rows = {part.title: _cells(part, usual, costs, limit) for part in parts}
    every = [cells for part in rows.values() for cells in part]
    header = ("", *HEADER)
    widths = [max(len(cells[at]) for cells in [*every, *_split(header)]) for at in range(len(header))]
    lines = [f"{_whose(usual)} fleet (*): {described(usual)}.", f"Each part changes one thing. {_READ_AS}", ""]
    lines += [_aligned(line, widths) for line in _split(header)]
    for title, part in rows.items():
        lines += ["", title, *(_aligned(cells, widths) for cells in part)]
    return "\n".join([*lines, "", *_notes(usual, costs, limit)])


def as_json(parts: Sequence[Part], usual: Fleet, costs: Costs, limit: float | None) -> str:
    """Everything, unrounded."""
    described_parts = [
        {"title": part.title, "rows": [{"title": row.title, **asdict(answer(row.fleet, costs))} for row in part.rows]}
        for part in parts
    ]
    known = {"usual": asdict(usual), "costs": asdict(costs), "limit": limit}
    facts = {**known, "assumptions": assumptions(usual), "throttling": THROTTLING, "parts": described_parts}
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)


def saving(fleet: Fleet, costs: Costs) -> str:
    """Whether the second level pays for this fleet, in one sentence."""
    given = answer(fleet, costs)
    alone, shared = given.alone.exchanges_per_hour, given.shared.exchanges_per_hour
    share = _share(1 - shared / alone)
    return (
        f"{_whose(fleet)} fleet: {_figures(alone)} exchanges an hour without Redis, {_figures(shared)} with it; "
        f"the second level saves {'nothing' if share == '0 %' else share}."
    )


def _whose(fleet: Fleet) -> str:
    return "The usual" if fleet == Fleet() else "Your"


def described(fleet: Fleet) -> str:
    """One line about a fleet."""
    return (
        f"{fleet.instances} instance{'s' if fleet.instances != 1 else ''}, {fleet.callers:,} callers, "
        f"{fleet.requests_per_second:,.0f} requests/s, "
        f"tokens of {fleet.token_seconds / MINUTE:g} min, {fleet.sessions:,.0f} sessions per instance, "
        f"{fleet.scope_sets} downstream API{'s' if fleet.scope_sets != 1 else ''}"
    )


def _cells(part: Part, usual: Fleet, costs: Costs, limit: float | None) -> list[list[str]]:
    return [
        _row(f"{row.title}{' *' if row.fleet == usual else ''}", answer(row.fleet, costs), limit) for row in part.rows
    ]


def _row(title: str, each: Answer, limit: float | None) -> list[str]:
    alone, shared = each.alone, each.shared
    return [
        title,
        _both(_hourly(alone, limit), _hourly(shared, limit)),
        _both(_figures(alone.exchanges_per_token), _figures(shared.exchanges_per_token)),
        _both(_share(alone.waiting), _share(shared.waiting)),
        _both(_burst(alone, limit), _burst(shared, limit)),
        f"{_figures(each.redis_commands_per_second)} ({_figures(each.redis_after_restart_per_second)})",
        _size(each.redis_bytes),
        _figures(each.sessions_held),
        _size(each.session_bytes),
        _both(_share(alone.cpu), _share(shared.cpu)),
    ]


def _both(alone: str, shared: str) -> str:
    return f"{alone} → {shared}"


def _hourly(level: Level, limit: float | None) -> str:
    return _figures(level.exchanges_per_hour) + _exceeds(level.exchanges_per_hour / HOUR, limit)


def _burst(level: Level, limit: float | None) -> str:
    return _figures(level.after_restart) + _exceeds(level.after_restart / MINUTE, limit)


def _exceeds(per_second: float, limit: float | None) -> str:
    return " !" if limit is not None and per_second > limit else ""


def _notes(usual: Fleet, costs: Costs, limit: float | None) -> list[str]:
    marked = [f"- `!`: more than {limit:g} exchanges per second."] if limit is not None else []
    lines = [_unit_costs(costs), *marked, "", "Assumed:", ""]
    lines += [f"- {line}" for line in assumptions(usual)]
    return [*lines, "", "Entra's throttling:", "", *(f"- {line}" for line in THROTTLING)]


def _unit_costs(costs: Costs) -> str:
    return (
        f"CPU costs of one request of each kind, measured on {costs.machine}:\n\n"
        f"- request with a known token {costs.known_seconds * 1e6:.0f} µs, new token validated besides "
        f"{costs.validation_seconds * 1e6:.0f} µs, "
        f"exchange {costs.exchange_seconds * 1e3:.1f} ms, found in Redis {costs.shared_hit_seconds * 1e6:.0f} µs, "
        f"put there {costs.shared_new_seconds * 1e6:.0f} µs; {costs.session_bytes / 1000:.1f} KB a session, "
        f"{costs.token_bytes / 1000:.1f} KB an exchanged token in it, "
        f"{costs.entry_bytes / 1000:.1f} KB an entry in Redis ({costs.store})."
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    return f"  {first:<{widths[0]}}" + "".join(
        f"  {cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)
    )


def _split(header: Sequence[str]) -> list[list[str]]:
    """A header in two lines, broken where that makes it narrowest."""
    halves = []
    for text in header:
        words = text.split(" ")
        breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(len(words) + 1)]
        halves.append(min(breaks, key=lambda half: (max(map(len, half)), len(half[0]))))
    return [list(line) for line in zip(*halves, strict=True)]


def _figures(number: float) -> str:
    """Three figures, which is more than the model knows."""
    if number == 0 or number >= 0.01:
        digits = 2 - math.floor(math.log10(number)) if number else 0
        return f"{round(number, digits):,.{max(0, digits)}f}" if number < 100 else f"{round(number, digits):,.0f}"
    return "< 0.01"


def _share(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def _size(count: float) -> str:
    return f"{_figures(count / 1e9)} GB" if count >= 1e9 else f"{_figures(count / 1e6)} MB"
