"""What figures depend on; nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography.hazmat.backends.openssl.backend import backend

_PACKAGES = ("msal", "azure-identity", "PyJWT", "cryptography", "requests", "redis", "azure-functions-runtime")


def machine() -> str:
    """Its shape, and the versions of what runs on it, in one line."""
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
