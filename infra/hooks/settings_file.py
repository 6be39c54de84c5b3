"""local.settings.json, in the format of Core Tools. A person's own file, or one of ours since changed, is kept.

https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "local.settings.json"
WRITER = "azd provision"
PORT = 7071


class EmulatorsRunningError(Exception):
    """The file belongs to `dev.py emulators`, which puts the person's back when it stops."""


def write(root: Path, values: Mapping[str, str]) -> str | None:
    """Writes the file; returns the name under which a person's own is kept, or None. Raises EmulatorsRunningError."""
    file = root / NAME
    content = {"IsEncrypted": False, "Values": dict(values), "Host": {"LocalHttpPort": PORT}, "WrittenBy": WRITER}
    text = json.dumps({**content, "Unchanged": _digest(content)}, indent=2) + "\n"
    kept = None
    if file.exists():
        if str(_read(file).get("WrittenBy", "")).startswith("dev.py emulators"):
            raise EmulatorsRunningError
        if file.read_text(encoding="utf-8", errors="replace") == text:
            return None
        if not _is_ours(file):
            kept = _free_name(root)
            file.replace(root / kept)
    unfinished = root / f"{NAME}.new"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
    return kept


def remove(root: Path) -> bool:
    """Takes our own, unchanged file away; says whether there was one."""
    file = root / NAME
    if not file.exists() or not _is_ours(file):
        return False
    file.unlink()
    return True


def _is_ours(file: Path) -> bool:
    """Written by us, and every value still as it was written."""
    content = _read(file)
    digest = content.pop("Unchanged", None)
    return content.get("WrittenBy") == WRITER and digest == _digest(content)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _free_name(root: Path) -> str:
    names = itertools.chain([f"{NAME}.bak"], (f"{NAME}.bak{number}" for number in itertools.count(2)))
    return next(name for name in names if not (root / name).exists())
