"""The picture in docs/: two panels, drawn as SVG by hand, readable on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .costs import Costs
from .fleet import Fleet
from .model import Answer, answer
from .scenarios import by_instances
from .table import described

_WIDTH, _HEIGHT = 870, 372
_LEFT, _TOP, _PANEL_WIDTH, _PANEL_HEIGHT, _GAP = 80, 88, 320, 220, 110
_BELOW = "instances (both scales are logarithmic)"
_STYLE = """
  .ground { fill: #ffffff; } .text { fill: #24292f; font: 13px system-ui, sans-serif; }
  .small { font-size: 11px; } .title { font-weight: 600; font-size: 15px; }
  .grid { stroke: #d0d7de; stroke-width: 1; } .line { fill: none; stroke-width: 2.5; }
  .alone { stroke: #b35900; } .shared { stroke: #0b6bcb; stroke-dasharray: 7 4; }
  .alone-text { fill: #b35900; } .shared-text { fill: #0b6bcb; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } .text { fill: #e6edf3; } .grid { stroke: #30363d; }
    .alone { stroke: #f0a04b; } .shared { stroke: #6cb6ff; }
    .alone-text { fill: #f0a04b; } .shared-text { fill: #6cb6ff; }
  }
"""


@dataclass(frozen=True)
class _Panel:
    title: str
    alone: Callable[[Answer], float]
    shared: Callable[[Answer], float]


_PANELS = (
    _Panel(
        "Exchanges an hour",
        lambda each: each.alone.exchanges_per_hour,
        lambda each: each.shared.exchanges_per_hour,
    ),
    _Panel(
        "Exchanges in the first minute after a restart",
        lambda each: each.alone.after_restart,
        lambda each: each.shared.after_restart,
    ),
)


def svg(usual: Fleet, costs: Costs) -> str:
    """The whole file."""
    answers = [answer(fleet, costs) for fleet in by_instances(usual)]
    about = described(usual).partition(" instances, ")[2]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' role="img" aria-labelledby="title about">',
        '<title id="title">What a fleet asks of Entra, by the number of its instances, with and without Redis</title>',
        f'<desc id="about">{escape(_told(answers))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
        _text(_LEFT, 32, "What a fleet asks of Entra, by the number of its instances", "title"),
        _text(_LEFT, 52, about, "small"),
    ]
    for number, panel in enumerate(_PANELS):
        parts += _drawn(panel, answers, _LEFT + number * (_PANEL_WIDTH + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _drawn(panel: _Panel, answers: Sequence[Answer], left: float) -> list[str]:
    values = [value(each) for each in answers for value in (panel.alone, panel.shared)]
    lowest = math.floor(math.log10(min(values)))
    decades = (lowest, max(lowest + 1, math.ceil(math.log10(max(values)))))
    most = math.log10(answers[-1].fleet.instances)

    def x(instances: float) -> float:
        return left + _PANEL_WIDTH * math.log10(instances) / most

    def y(value: float) -> float:
        return _TOP + _PANEL_HEIGHT * (decades[1] - math.log10(value)) / (decades[1] - decades[0])

    parts = [_text(left, _TOP - 12, panel.title, "")]
    for decade in range(decades[0], decades[1] + 1):
        parts.append(_rule(left, y(10.0**decade), left + _PANEL_WIDTH, y(10.0**decade)))
        parts.append(_text(left - 8, y(10.0**decade) + 4, f"{10.0**decade:,.{max(0, -decade)}f}", "small", "end"))
    for instances in (1, 2, 4, 10, 20, 40, 100):
        parts.append(_rule(x(instances), _TOP, x(instances), _TOP + _PANEL_HEIGHT))
        parts.append(_text(x(instances), _TOP + _PANEL_HEIGHT + 18, str(instances), "small", "middle"))
    parts.append(
        _text(
            left + _PANEL_WIDTH / 2,
            _TOP + _PANEL_HEIGHT + 38,
            _BELOW,
            "small",
            "middle",
        )
    )
    for name, value in (("alone", panel.alone), ("shared", panel.shared)):
        points = " ".join(f"{x(each.fleet.instances):.1f},{y(value(each)):.1f}" for each in answers)
        parts.append(f'<polyline class="line {name}" points="{points}"/>')
        label, at = ("without Redis" if name == "alone" else "with Redis"), answers[len(answers) * 2 // 3]
        above = y(value(at)) - 10
        anchor = "end" if name == "alone" else "middle"
        parts.append(_text(x(at.fleet.instances) - 4, above, label, f"{name}-text", anchor))
    return parts


def _told(answers: Sequence[Answer]) -> str:
    first, last = answers[0], answers[-1]
    return (
        f"Without Redis, exchanges an hour grow from {first.alone.exchanges_per_hour:,.0f} with one instance to "
        f"{last.alone.exchanges_per_hour:,.0f} with {last.fleet.instances}; with Redis they stay at "
        f"{last.shared.exchanges_per_hour:,.0f}."
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="text {kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
