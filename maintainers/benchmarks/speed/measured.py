"""The results of the groups' processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .definition import Row
from .result import Result


class Measured:
    """Results by row; why others are missing."""

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self.results: dict[str, Result] = {}
        self.skipped: dict[str, str] = {}
        """Groups that this machine cannot measure → what it lacks."""
        self.problems: dict[str, str] = {}

    def take(self, group: str, said: Mapping[str, Any]) -> None:
        """One line of a group's process."""
        if "result" in said:
            result = Result.from_dict(said["result"])
            self.results[result.row] = result
        if "skipped" in said:
            self.skipped[group] = said["skipped"]
        if "error" in said:
            self.problems[group] = said["error"]

    def is_met(self, row: Row, band: float = 1.0) -> bool | None:
        """None: not measured, measured quickly, or no target. `band`: see Target."""
        result = self.results.get(row.key)
        return None if self.quick or result is None or row.target is None else row.target.is_met(result, band)
