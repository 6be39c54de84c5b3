"""The measurements, by group of rows. Each runs in a process of its own, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..result import Result

GROUPS = (
    "floors",
    "known",
    "calling",
    "new",
    "exchange",
    "flights",
    "memory",
    "resident",
    "lookups",
    "requests",
    "mcp",
    "served",
    "waiting",
    "awaiting",
    "crowd",
    "newcomers",
    "two_apis",
    "imports",
    "start",
    "second_level",
    "testing",
)


class Skipped(Exception):  # noqa: N818 — named for what has happened
    """Cannot be measured on this machine; the text says what is missing."""


def measure(group: str, quick: bool) -> Iterator[Result]:
    """The results of one group, as they come. Raises Skipped."""
    module: Any = import_module(f".{group}", __package__)
    results: Iterator[Result] = module.measure(quick)
    return results
