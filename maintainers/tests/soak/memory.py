"""The memory of a process."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def megabytes(process: int) -> float | None:
    """The resident memory of a process; None where neither /proc nor `ps` can tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _from_ps(process)
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def _from_ps(process: int) -> float | None:
    try:
        said = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
        return int(said.stdout) / 1024
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
