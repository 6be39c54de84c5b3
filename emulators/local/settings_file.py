"""local.settings.json, so that a plain `func start` finds the emulators; a person's own file is kept and put back."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emulators.local.environment import for_core_tools

NAME = "local.settings.json"
_MARK = "dev.py emulators, until it stops"


@contextlib.contextmanager
def local_settings(
    root: Path, environ: Mapping[str, str], port: int, origins: Sequence[str] = ()
) -> Iterator[str | None]:
    """Writes the file for as long as the block runs; yields the name under which a person's own is kept, or None."""
    recover(root)
    file = root / NAME
    kept = _keep(file) if file.exists() else None
    unfinished = root / ".local" / f"{NAME}.new"
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_text(_content(environ, port, kept, origins), encoding="utf-8")
    unfinished.replace(file)  # only now, with the copy made, is the person's file replaced
    try:
        yield kept
    finally:
        recover(root)


def overriding(environ: Mapping[str, str]) -> list[str]:
    """The variables of this terminal that Core Tools would prefer to those in the file."""
    written = {name.upper() for name in environ}
    return sorted(name for name in os.environ if name.upper() in written)


def is_ours(file: Path) -> bool:
    """Whether the running stack has written the file."""
    return _read_ours(file) is not None


def recover(root: Path) -> None:
    """Puts the person's file back, or takes ours away: at the end, and at the next start after a crash.

    A file without our mark is a person's and is left alone.
    """
    file = root / NAME
    ours = _read_ours(file)
    if ours is None:
        return
    kept = root / str(ours.get("Keeps"))
    if ours.get("Keeps") and kept.exists():
        kept.replace(file)
    else:
        file.unlink()


def _keep(file: Path) -> str:
    """Copies it to the first name that is free: nothing that lies there is overwritten."""
    names = itertools.chain([f"{NAME}.bak"], (f"{NAME}.bak{number}" for number in itertools.count(2)))
    kept = next(name for name in names if not (file.parent / name).exists())
    shutil.copy2(file, file.parent / kept)
    return kept


def _read_ours(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("WrittenBy") == _MARK else None


def _content(environ: Mapping[str, str], port: int, kept: str | None, origins: Sequence[str]) -> str:
    """The format of Core Tools: https://learn.microsoft.com/azure/azure-functions/functions-develop-local.

    AzureWebJobsStorage is empty: HTTP triggers need no storage, and an address without a server would only be probed.
    """
    values = {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": "", **_values(environ)}
    content = {
        "IsEncrypted": False,
        "Values": values,
        "Host": {"LocalHttpPort": port, **({"CORS": ",".join(origins)} if origins else {})},
        "WrittenBy": _MARK,
        "Keeps": kept,
    }
    return json.dumps(content, indent=2) + "\n"


def _values(environ: Mapping[str, str]) -> dict[str, str]:
    # Without the lower-case proxy variables, because .NET's settings ignore case.
    return {name: value for name, value in for_core_tools(environ).items() if not name.islower()}
