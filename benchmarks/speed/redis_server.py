"""Whether this machine can measure the second level."""

from __future__ import annotations

import shutil
from importlib.util import find_spec


def why_not() -> str:
    """What is missing; empty when nothing is."""
    if shutil.which("redis-server") is None:
        return "there is no redis-server on the PATH"
    return "" if find_spec("redis") else "the package redis is not installed"
