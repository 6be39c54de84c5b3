"""What the peers' processes said."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from .definition import MISSING


class Measured:
    """Cells by peer and row; the versions they are true of; what could not be measured."""

    def __init__(self) -> None:
        self.python = platform.python_version()
        self.versions: dict[str, str] = {}
        self.absent: dict[str, str] = {}
        """Peers that are not installed → the package they lack."""
        self.problems: dict[str, str] = {}
        self._cells: dict[tuple[str, str], str] = {}

    def take(self, peer: str, said: Mapping[str, Any]) -> None:
        """One line of a peer's process."""
        self.versions.update(said.get("versions", {}))
        if "missing" in said:
            self.absent[peer] = said["missing"]
        if "cell" in said:
            self._cells[peer, said["row"]] = said["cell"]
        if "error" in said:
            self.problems[f"{peer}, {said['row']}"] = said["error"]

    def cell(self, peer: str, row: str) -> str:
        """The text of one cell."""
        return self._cells.get((peer, row), MISSING)
