"""Runs the certificate script as the deployment script does: bash, az on the PATH and signed in, results in a file."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulators.applications import CERTIFICATE_IDENTITY
from emulators.stack import Stack
from tests.support.live import inherited

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "infra" / "ensure-certificate.sh"
_STAND_IN = Path(__file__).with_name("az_stand_in.py")
VALIDITY_MONTHS, RENEW_DAYS = 12, 60


def missing_tools() -> str | None:
    """What this machine lacks to run the script at all, or None."""
    bash = shutil.which("bash")
    if os.name == "nt" or bash is None:
        return "bash (the script runs in Azure's Linux image)"
    if subprocess.run([bash, "-c", "shopt -s inherit_errexit"], capture_output=True, check=False).returncode:
        return "bash 4.4 or newer"
    if subprocess.run(["date", "-u", "-d", "@0"], capture_output=True, check=False).returncode:
        return "GNU date"
    return None


@dataclass
class Az:
    """A program called az that is signed in as the script's identity, and a `sleep` that does not wait."""

    stack: Stack
    folder: Path
    real: bool
    programs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.programs = self.folder / "bin"
        self.programs.mkdir(parents=True)
        self._program("sleep", f'echo "$@" >>"{self.sleeps}"')
        if self.real:
            identity = ("--identity", "--client-id", CERTIFICATE_IDENTITY.client_id)
            signed_in = self.run(["login", *identity, "--allow-no-subscriptions"])
            assert signed_in.returncode == 0, signed_in.stderr
        else:
            self._program("az", f'exec "{sys.executable}" "{_STAND_IN}" "$@"')

    def _program(self, name: str, line: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/usr/bin/env bash\n{line}\n", encoding="utf-8")
        file.chmod(0o755)

    @property
    def sleeps(self) -> Path:
        """A line for each time the script wanted to wait."""
        return self.folder / "sleeps.txt"

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which `az` is this one."""
        return {
            **inherited(),
            **self.stack.environ("script"),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "AZ_STAND_IN_CLIENT_ID": CERTIFICATE_IDENTITY.client_id,
            "AZURE_CONFIG_DIR": str(self.folder / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """One command."""
        return subprocess.run(
            ["az", *arguments] if self.real else [str(self.programs / "az"), *arguments],
            env=self.environ,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def ensure(self, name: str, tag: str = "first", **changes: str) -> Run:
        """Runs the script for the certificate `name`."""
        output = self.folder / "outputs.json"
        output.unlink(missing_ok=True)
        settings = {
            "CERTIFICATE_NAME": name,
            "ROTATION_TAG": tag,
            "EXPORTABLE": "true",
            "VALIDITY_MONTHS": str(VALIDITY_MONTHS),
            "RENEW_DAYS_BEFORE_EXPIRY": str(RENEW_DAYS),
            "AZ_SCRIPTS_OUTPUT_PATH": str(output),
        }
        done = subprocess.run(
            ["bash", str(SCRIPT)],
            env={**self.environ, **settings, **changes},
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        written = json.loads(output.read_text(encoding="utf-8")) if output.exists() else None
        return Run(done.returncode, done.stdout, done.stderr, written)


@dataclass(frozen=True)
class Run:
    """What one run of the script said and wrote."""

    code: int
    said: str
    complained: str
    written: Any

    @property
    def certificates(self) -> list[tuple[str, bytes]]:
        """Version and DER of each certificate, as the app registration is given them."""
        assert self.code == 0, self.complained
        assert self.written.keys() == {"certificates", "pem"}
        assert all(entry.keys() == {"version", "der"} for entry in self.written["certificates"])
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", self.written["pem"])
        assert blocks == [entry["der"] for entry in self.written["certificates"]]
        return [(entry["version"], base64.b64decode(entry["der"])) for entry in self.written["certificates"]]

    @property
    def versions(self) -> list[str]:
        """Their versions, newest first."""
        return [version for version, _ in self.certificates]
