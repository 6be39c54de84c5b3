"""The resident size of a process, where the system tells it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path


def resident_bytes(pid: int) -> int | None:
    """None where nobody tells: on Windows, and when the process is gone."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        found = re.search(r"^VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    ps = shutil.which("ps")
    if ps is None:
        return None
    said = subprocess.run(
        [ps, "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return int(said) * 1024 if said.isdigit() else None
