"""The tables of a run, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from maintainers.benchmarks.document import table
from maintainers.benchmarks.machine import machine

from .mix import KINDS
from .observed import Timed
from .plant import API_SECONDS, ENTRA_SECONDS
from .run import Run
from .verdict import expected_exchanges, needed_outside, problems

_HEADER = ("request with a", "requests", "errors", "for the caller", "in the API", "less tokens and calls")
_WHAT = {
    "known": "known token",
    "known elsewhere": "token known to another process",
    "first of an API": "known token, for a new API",
    "new": "new token",
    "bad": "forged token",
}


def as_markdown(run: Run) -> str:
    """Two tables and a verdict."""
    return "\n\n".join([headline(run), table(_HEADER, _rows(run)), table(("counted", ""), _facts(run)), verdict(run)])


def as_text(run: Run) -> str:
    """The same, aligned."""
    rows, facts = [_HEADER, *_rows(run)], _facts(run)
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADER))]
    widths[0] = max(widths[0], *(len(name) for name, _ in facts))
    lines = [headline(run), ""]
    for first, *others in rows:
        cells = (f"  {cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        lines.append(f"  {first:<{widths[0]}}{''.join(cells)}")
    lines += ["", *(f"  {name:<{widths[0]}}  {value}" for name, value in facts), "", verdict(run)]
    return "\n".join(lines)


def as_json(run: Run) -> str:
    """Everything that was counted."""
    least, most = expected_exchanges(run)
    by_kind = {
        kind: {
            "requests": len(timed),
            "errors": errors,
            "caller_ms": percentiles(waited),
            "whole_ms": percentiles([one.whole for one in timed]),
            "rest_ms": percentiles([one.rest for one in timed]),
        }
        for kind, timed, waited, errors in _by_kind(run)
    }
    facts = {
        "ask": asdict(run.ask),
        "machine": machine(),
        "took_seconds": run.took,
        "by_kind": by_kind,
        "not_counted": len(run.uncounted),
        "exchanges": {"seen": run.observed.exchanges.total(), "least": least, "most": most},
        "memory_bytes": run.memory,
        "redis_killed": run.killed,
        "redis_outages_logged": len(run.observed.redis_outages),
        "problems": problems(run),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def headline(run: Run) -> str:
    """What was run."""
    ask = run.ask
    redis = "without Redis" if not ask.redis else "with Redis, killed under way" if run.killed else "with Redis"
    return (
        f"{len(run.steps):,} requests in {run.took:.0f} s to {ask.processes} API processes, round robin, {redis}; "
        f"Entra takes {ENTRA_SECONDS * 1000:.0f} ms, a downstream API {API_SECONDS * 1000:.0f}. "
        "Times: p50 / p95 / p99 in milliseconds."
    )


def verdict(run: Run) -> str:
    """The last line."""
    wrong = problems(run)
    return "All is well." if not wrong else "\n".join(["Wrong:", *(f"- {each}" for each in wrong)])


def percentiles(values: Sequence[float]) -> list[int]:
    """The 50th, 95th and 99th; nothing for nothing."""
    ordered = sorted(values)
    return [round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)]) for share in (50, 95, 99) if ordered]


def _by_kind(run: Run) -> list[tuple[str, list[Timed], list[float], int]]:
    """What the API timed, what the callers waited, and how many got the wrong status."""
    found = []
    for kind in KINDS:
        numbers = {step.number: step.expected for step in run.steps if step.kind == kind}
        timed = [run.observed.requests[number] for number in numbers if number in run.observed.requests]
        results = [(run.results[number], expected) for number, expected in numbers.items() if number in run.results]
        right = [result.ms for result, expected in results if result.status == expected]
        found.append((kind, timed, right, len(numbers) - len(right)))
    return found


def _rows(run: Run) -> list[tuple[str, ...]]:
    rows = []
    for kind, timed, waited, errors in _by_kind(run):
        times: list[Sequence[float]] = [waited, [one.whole for one in timed], [one.rest for one in timed]]
        rows.append((_WHAT[kind], f"{len(waited):,}", f"{errors}", *map(_three, times)))
    return rows


def _three(values: Sequence[float]) -> str:
    return " / ".join(map(str, percentiles(values))) or "\N{EN DASH}"


def _facts(run: Run) -> list[tuple[str, str]]:
    least, most = expected_exchanges(run)
    needed = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    fleet = len({use[:2] for use in run.uses})
    memory = ", ".join(" → ".join(_megabytes(size) for size in sizes) for sizes in run.memory)
    return [
        ("exchanges", f"{run.observed.exchanges.total():,}; needed: {needed}{_outside(run)}"),
        ("tokens, times scope sets", f"{fleet:,} in the fleet, {len(run.uses):,} over the processes"),
        ("resident MB: start → middle → end", memory),
        ("lines in the log about Redis", str(len(run.observed.redis_outages))),
    ]


def _outside(run: Run) -> str:
    """The warm-up exchanges too, but is not in the table of requests."""
    warm_up, last = needed_outside(run)
    parts = [f"{warm_up:,} in the warm-up"] if warm_up else []
    parts += [f"{last:,} after Redis came back"] if last else []
    return f", of which {' and '.join(parts)}, whose requests are in no row above" if parts else ""


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f}"
