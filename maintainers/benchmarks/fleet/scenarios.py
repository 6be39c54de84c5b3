"""The rows of the table: a fleet as usual, and what changes when one thing is another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .fleet import EIGHTY_TWENTY, EQUAL, HOUR, MINUTE, Fleet

_BOUNDLESS = 1_000_000.0  # megabytes: the most that the setting takes


@dataclass(frozen=True)
class Row:
    """One fleet and what is different about it."""

    title: str
    fleet: Fleet


@dataclass(frozen=True)
class Part:
    """Rows that differ in one thing."""

    title: str
    rows: tuple[Row, ...]


def parts(usual: Fleet) -> list[Part]:
    """The whole table. The usual fleet itself stands in each part."""
    instances = {1, 2, 4, 10, 40, 100, usual.instances}
    rates = {5.0, 50.0, 500.0, 5000.0, usual.requests_per_second}
    callers = {100, 1_000, 10_000, 100_000, 1_000_000, usual.callers}
    lives = {10 * MINUTE, 75 * MINUTE, 24 * HOUR, usual.token_seconds}
    sessions = {0.0, 100.0, 1_000.0, 10_000.0, 100_000.0, usual.sessions}
    sets = {1, 2, 4, usual.scope_sets}
    groups = {"a fifth makes four fifths": EIGHTY_TWENTY, "all the same": EQUAL}
    return [
        Part("Instances", tuple(Row(f"{n:,}", replace(usual, instances=n)) for n in sorted(instances))),
        Part(
            "Requests per second to the whole fleet",
            tuple(Row(f"{n:,.0f}", replace(usual, requests_per_second=n)) for n in sorted(rates)),
        ),
        Part("Callers", tuple(Row(f"{n:,}", replace(usual, callers=n)) for n in sorted(callers))),
        Part("Life of a token", tuple(Row(_time(n), replace(usual, token_seconds=n)) for n in sorted(lives))),
        Part(
            "Sessions that fit into an instance",
            tuple(Row(f"{n:,.0f}", _with_sessions(usual, n)) for n in sorted(sessions)),
        ),
        Part("Downstream APIs per caller", tuple(Row(f"{n}", replace(usual, scope_sets=n)) for n in sorted(sets))),
        Part("Who makes the requests", tuple(Row(who, replace(usual, groups=each)) for who, each in groups.items())),
    ]


def by_instances(usual: Fleet) -> list[Fleet]:
    """For the picture."""
    return [replace(usual, instances=count) for count in (1, 2, 3, 4, 6, 8, 10, 14, 20, 28, 40, 56, 80, 100)]


def _with_sessions(usual: Fleet, count: float) -> Fleet:
    """As many as are asked for, whatever their size."""
    return usual if count == usual.sessions else replace(usual, sessions=count, megabytes=_BOUNDLESS)


def _time(seconds: float) -> str:
    return f"{seconds / HOUR:g} h" if seconds >= 2 * HOUR else f"{seconds / MINUTE:g} min"
