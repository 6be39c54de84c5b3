"""What a Functions app looks like on disk: its folder, its script, and what its host.json says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SCRIPT = "function_app.py"
DEFAULT_ROUTE_PREFIX = "api"
DEFAULT_TIMEOUT = 1800.0  # of a Flex Consumption plan
SCRIPT_SETTING = "PYTHON_SCRIPT_FILE_NAME"

_TIMEOUT = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")

# The worker refuses any other name: no folders, no leading dash, no other ending.
_SCRIPT_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-]*\.py")


class LayoutError(Exception):
    """The folder holds no app that can be served; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class HostJson:
    """What this host takes from host.json: of `extensions.http` the prefix and the bound, and `functionTimeout`."""

    route_prefix: str = DEFAULT_ROUTE_PREFIX
    requests_at_once: int | None = None
    timeout: float | None = DEFAULT_TIMEOUT  # seconds

    @property
    def base_path(self) -> str:
        """What the path of every function begins with: "/api", "/v1", or "" without a prefix."""
        return f"/{self.route_prefix}" if self.route_prefix else ""

    @classmethod
    def read(cls, path: Path) -> HostJson:
        """The defaults where there is no such file. Raises LayoutError."""
        if not path.is_file():
            return cls()
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            http = content.get("extensions", {}).get("http", {})
            prefix = http.get("routePrefix", DEFAULT_ROUTE_PREFIX)
            bounds = [http.get(name, -1) for name in ("maxConcurrentRequests", "maxOutstandingRequests")]
            timeout = _seconds(content.get("functionTimeout"))
        except (ValueError, AttributeError, TypeError) as error:
            raise LayoutError(f"{path} cannot be read: {error}") from error
        if not isinstance(prefix, str):
            raise LayoutError(f"{path}: extensions.http.routePrefix must be a string, not {prefix!r}")
        if not all(isinstance(bound, int) for bound in bounds):
            raise LayoutError(f"{path}: maxConcurrentRequests and maxOutstandingRequests must be whole numbers")
        # The empty prefix is a value of its own: no prefix at all. -1 is no bound.
        return cls(prefix.strip("/"), min((bound for bound in bounds if bound >= 0), default=None), timeout)


def _seconds(timeout: str | None) -> float | None:
    """`functionTimeout`, "hh:mm:ss" or "-1" for none. Raises ValueError."""
    if timeout is None:
        return DEFAULT_TIMEOUT
    if timeout == "-1":
        return None
    found = _TIMEOUT.fullmatch(timeout)
    if found is None:
        raise ValueError(f"functionTimeout {timeout!r} is neither hh:mm:ss nor -1")
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


@dataclass(frozen=True)
class AppLayout:
    """A Functions app on disk."""

    root: Path
    script: str
    host_json: HostJson

    @property
    def module(self) -> str:
        """The name under which the script is imported."""
        return self.script.removesuffix(".py")

    @classmethod
    def read(cls, root: Path, script: str | None = None, environ: Mapping[str, str] | None = None) -> AppLayout:
        """The app in `root`; its script is the one given, or what PYTHON_SCRIPT_FILE_NAME says. Raises LayoutError."""
        root = root.resolve()
        if not root.is_dir():
            raise LayoutError(f"the folder {root} does not exist; name another one with --root")
        settings = os.environ if environ is None else environ
        script = script or settings.get(SCRIPT_SETTING) or DEFAULT_SCRIPT
        if not _SCRIPT_NAME.fullmatch(script):
            raise LayoutError(f"{SCRIPT_SETTING} is {script!r}: the worker takes a plain file name ending in .py")
        if not (root / script).is_file():
            raise LayoutError(
                f"there is no {script} in {root}; set {SCRIPT_SETTING} or name another folder with --root"
            )
        return cls(root, script, HostJson.read(root / "host.json"))
