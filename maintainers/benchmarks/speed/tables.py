"""The table, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from maintainers.benchmarks.document import table
from maintainers.benchmarks.machine import machine

from .definition import FLOORS, MISSING, Row
from .measured import Measured
from .result import Spread
from .targets import TIMES

HEADER = ("figure", "ours", "the peer", "the floor", "ours ÷ peer (range)", "ours ÷ floor (range)", "target", "met")
FLOOR_HEADER = ("physical floor", "median (range)")
_WIDTH = 112
_QUICK = (
    "Quick: a few calls of each, with fewer users, tokens and threads than the titles name, only to see that it runs. "
    "These figures say nothing."
)


def as_markdown(measured: Measured, rows: Sequence[Row]) -> str:
    """Both tables with what stands below them."""
    figures = [row for row in rows if row not in FLOORS]
    floors = [row for row in rows if row in FLOORS]
    blocks = []
    if figures:
        blocks.append(table(HEADER, [_cells(measured, row) for row in figures]))
    if floors:
        blocks.append(table(FLOOR_HEADER, [[row.title, _floor(measured, row)] for row in floors]))
    return "\n\n".join([*blocks, _notes(measured, rows)])


def as_blocks(measured: Measured, rows: Sequence[Row]) -> str:
    """The same for a terminal, where the table would be too wide: a paragraph per figure."""
    blocks = []
    for row in rows:
        if row in FLOORS:
            blocks.append(f"{row.title}: {_floor(measured, row)}\n")
            continue
        blocks.append(row.title)
        for name, cell in list(zip(HEADER, _cells(measured, row), strict=True))[1:]:
            if cell not in (MISSING, ""):
                head = f"    {name:<21} "
                blocks.append(textwrap.fill(cell, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
        blocks.append("")
    return "\n".join([*blocks, _notes(measured, rows)])


def as_json(measured: Measured, rows: Sequence[Row]) -> str:
    """Everything, in seconds, bytes, counts, calls per second and ratios."""
    results = [
        {**measured.results[row.key].as_dict(), "title": row.title, "target": _target(row), "met": measured.is_met(row)}
        for row in rows
        if row.key in measured.results
    ]
    facts = {"machine": machine(), "quick": measured.quick, "skipped": measured.skipped}
    return json.dumps({**facts, "problems": measured.problems, "rows": results}, indent=2, ensure_ascii=False)


def _cells(measured: Measured, row: Row) -> list[str]:
    result = measured.results.get(row.key)
    if result is None:
        return [row.title, *[MISSING] * 5, _target(row), "not measured"]
    unit = result.unit
    peer = f"{amount(result.peer.median, unit)}: {row.peer}" if result.peer else MISSING
    floor = f"{amount(result.floor.median, unit)}: {row.floor}" if result.floor else MISSING
    is_met = "" if measured.quick else {True: "yes", False: "**no**", None: MISSING}[measured.is_met(row)]
    ratios = [_ratio(result.to_peer), _ratio(result.to_floor)]
    return [row.title, amount(result.ours.median, unit), peer, floor, *ratios, _target(row), is_met]


def _target(row: Row) -> str:
    return row.target.text if row.target else MISSING


def _floor(measured: Measured, row: Row) -> str:
    result = measured.results.get(row.key)
    if result is None:
        return MISSING
    low, high = (amount(value, result.unit) for value in (result.ours.low, result.ours.high))
    return f"{amount(result.ours.median, result.unit)} ({low} to {high})"


def _ratio(spread: Spread | None) -> str:
    if spread is None:
        return MISSING
    if spread.low == spread.high:
        return f"{spread.median:.2g}" if abs(spread.median) < 100 else f"{spread.median:.0f}"
    return f"{ratio(spread.median)} ({ratio(spread.low)} to {ratio(spread.high)})"


def ratio(value: float) -> str:
    """A ratio with two digits that count."""
    return f"{value:.2f}" if 0.1 <= abs(value) < 100 else f"{value:.0f}" if abs(value) >= 100 else f"{value:.4f}"


def amount(value: float, unit: str) -> str:
    """A figure with three digits that count."""
    if unit == "time":
        factor, name = next(
            (pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if abs(value) * pair[0] >= 0.9995), (1e6, "µs")
        )
        return f"{value * factor:.3g} {name}"
    if unit == "bytes":
        return f"{value / 1000:.2f} KB"
    if unit == "rate":
        return f"{value:,.0f}/s"
    return f"{value:.0f}" if unit == "exchanges" else f"{value:.2f} {TIMES}"


def _notes(measured: Measured, rows: Sequence[Row]) -> str:
    lines = [_QUICK, ""] if measured.quick else []
    noted = [measured.results[row.key] for row in rows if row.key in measured.results]
    titles = {row.key: row.title for row in rows}
    lines += [f"- {titles[result.row]}: {result.note}." for result in noted if result.note]
    lines += ["", f"Measured on {machine()}."]
    lines += [f"Not measured ({group}): {reason}." for group, reason in measured.skipped.items()]
    return "\n".join(lines)
