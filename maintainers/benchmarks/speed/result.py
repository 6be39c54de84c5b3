"""The result of a measurement: figures with their range, from rounds in which all candidates took turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """The median of all rounds, and the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of the rounds' values."""
        return cls(median(values), min(values), max(values))

    @classmethod
    def exactly(cls, value: float) -> Spread:
        """Of something that is counted, not timed."""
        return cls(value, value, value)


@dataclass(frozen=True)
class Result:
    """One figure of one run, in `unit`; ratios are taken within each round."""

    row: str
    unit: str
    ours: Spread
    peer: Spread | None = None
    floor: Spread | None = None
    to_peer: Spread | None = None
    to_floor: Spread | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For a line of JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Result:
        """From that line."""
        spreads = {name: Spread(**value) for name, value in said.items() if isinstance(value, dict)}
        return cls(**{**said, **spreads})


def compared(
    row: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float] | None = None,
    floor: Sequence[float] | None = None,
    note: str = "",
) -> Result:
    """A result from the values of the rounds, in the order of the rounds."""
    return Result(
        row,
        unit,
        Spread.of(ours),
        None if peer is None else Spread.of(peer),
        None if floor is None else Spread.of(floor),
        None if peer is None else _ratios(ours, peer),
        None if floor is None else _ratios(ours, floor),
        note,
    )


def _ratios(ours: Sequence[float], other: Sequence[float]) -> Spread:
    return Spread.of([mine / its for mine, its in zip(ours, other, strict=True)])
