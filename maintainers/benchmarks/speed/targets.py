"""The targets, in words and as a check of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .result import Result, Spread

TIMES = "\N{MULTIPLICATION SIGN}"


BAND = 1.4
"""The gate lets a figure miss its target by this factor: it runs next to other work, and on any machine."""


@dataclass(frozen=True)
class Target:
    """One target; what is asked is the median.

    `is_met(result, band)`: whether the target is met, or missed by less than the factor `band`.
    """

    text: str
    is_met: Callable[[Result, float], bool]


def of_peer(most: float) -> Target:
    """At most so many times what the peer takes."""
    return Target(f"≤ {most:g} {TIMES} peer", lambda result, band: _median(result.to_peer) <= most * band)


def of_peer_at_least(least: float) -> Target:
    """At least such a share of what the peer does."""
    return Target(f"≥ {least:g} {TIMES} peer", lambda result, band: _median(result.to_peer) >= least / band)


def of_floor(most: float) -> Target:
    """At most so many times the floor."""
    return Target(f"≤ {most:g} {TIMES} floor", lambda result, band: _median(result.to_floor) <= most * band)


def at_most(text: str, most: float) -> Target:
    """An absolute figure, in the unit of the result."""
    return Target(text, lambda result, band: result.ours.median <= most * band)


def equal(text: str, within: float) -> Target:
    """A growth that is none."""
    return Target(text, lambda result, band: abs(result.ours.median - 1) <= within * band)


def _median(ratio: Spread | None) -> float:
    return float("nan") if ratio is None else ratio.median  # which meets no target
