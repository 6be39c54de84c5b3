"""What a Functions app looks like on disk: its folder, its script, the route prefix of its host.json."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SCRIPT = "function_app.py"
DEFAULT_ROUTE_PREFIX = "api"
SCRIPT_SETTING = "PYTHON_SCRIPT_FILE_NAME"

# The worker refuses any other name: no folders, no leading dash, no other ending.
_SCRIPT_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-]*\.py")


class LayoutError(Exception):
    """The folder holds no app that can be served; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class AppLayout:
    """A Functions app on disk."""

    root: Path
    script: str
    route_prefix: str

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
        return cls(root, script, _route_prefix(root / "host.json"))


def _route_prefix(host_json: Path) -> str:
    """`extensions.http.routePrefix`; the empty string is a value of its own: no prefix at all."""
    if not host_json.is_file():
        return DEFAULT_ROUTE_PREFIX
    try:
        content = json.loads(host_json.read_text(encoding="utf-8-sig"))
        prefix = content.get("extensions", {}).get("http", {}).get("routePrefix", DEFAULT_ROUTE_PREFIX)
    except (ValueError, AttributeError) as error:
        raise LayoutError(f"{host_json} cannot be read: {error}") from error
    if not isinstance(prefix, str):
        raise LayoutError(f"{host_json}: extensions.http.routePrefix must be a string, not {prefix!r}")
    return prefix.strip("/")
