"""The committed snapshots: what each parameter set deploys, for a reviewer to read in a difference.

They are the template's own and compared by the whole test suite alone. `python3 dev.py check --infra --renew` writes
them again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.infra import bicep
from tests.infra.bicep import BicepError
from tests.infra.project import ROOT, Project
from tests.infra.tools import say

FOLDER = "maintainers/tests/infra/snapshots"
RENEW = "python3 dev.py check --infra --renew"


def path(root: Path, name: str) -> Path:
    """The file for one parameter set."""
    return root / FOLDER / f"{name}.json"


def committed(root: Path, name: str) -> dict[str, Any]:
    """The committed snapshot of one parameter set, with `bicep`, the version that made it. Empty when there is none."""
    file = path(root, name)
    if not file.exists():
        return {"bicep": "", "predictedResources": [], "outputs": {}}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def write(root: Path, name: str, version: str, snapshot: dict[str, Any]) -> None:
    """Commits a snapshot that this version of Bicep made."""
    file = path(root, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"bicep": version, **snapshot}, indent=1, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8", newline="\n")


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """The places in which two snapshots differ, one line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line for i, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{where}[{i}]")
        ]
    return [] if old == new else [f"{where}: {_short(old)} → {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def main() -> int:
    """Writes the committed snapshots again, and returns the exit code."""
    found = bicep.find()
    if found is None:
        say(f"check --infra --renew: {bicep.MISSING}")
        return 1
    try:
        with bicep.running(found) as compiler:
            project = Project(ROOT, compiler)
            for name in project.all_sets:
                write(ROOT, name, compiler.version, project.snapshot(name))
                say(f"{path(ROOT, name).relative_to(ROOT)}: Bicep {compiler.version}")
    except BicepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
