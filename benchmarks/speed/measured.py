"""What the groups' processes said, and on which machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cryptography.hazmat.backends.openssl.backend import backend

from .definition import Row
from .result import Result

_PACKAGES = ("msal", "azure-identity", "PyJWT", "cryptography", "requests", "redis", "azure-functions-runtime")


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

    def is_met(self, row: Row) -> bool | None:
        """None: not measured, or no target."""
        result = self.results.get(row.key)
        return None if result is None or row.target is None else row.target.is_met(result)


def machine() -> str:
    """What the figures depend on; nothing that names the machine."""
    versions = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    shape = f"{os.cpu_count()} cores, {_processor()}, {platform.system()}, Python {platform.python_version()}"
    return f"{shape}, {' '.join(backend.openssl_version_text().split()[:2])}, {versions}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
