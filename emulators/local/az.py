"""`az account get-access-token` of the local stack: what `dev.py doctor` finds as `az` on its PATH.

It is signed in as alice; EMULATORS_PERSON names another. Nothing else of the Azure CLI is emulated.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import requests

_PERSON = "alice"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a token as the Azure CLI does, and returns the exit code."""
    parser = argparse.ArgumentParser("az")
    token = parser.add_subparsers(dest="group", required=True).add_parser("account")
    token = token.add_subparsers(dest="command", required=True).add_parser("get-access-token")
    token.add_argument("--scope", required=True)
    token.add_argument("--tenant", default="")
    token.add_argument("--output", "-o", choices=["json"], default="json")
    options = parser.parse_args(argv)
    asked = {"person": os.environ.get("EMULATORS_PERSON", _PERSON), "scope": options.scope}
    with requests.Session() as session:
        session.trust_env = False
        address = f"{os.environ['EMULATORS_SIGN_IN_URL']}/_emulators/azure-cli-token"
        reply = session.post(address, json=asked, timeout=10)
    body = reply.json()
    if reply.status_code != 200:
        sys.stderr.write(f"ERROR: {body['error']}\n")
        return 1
    if options.tenant.lower() not in ("", body["tenant"]):
        sys.stderr.write("ERROR: AADSTS90002: nobody is signed in to this tenant\n")
        return 1
    sys.stdout.write(json.dumps({**body, "tokenType": "Bearer"}, indent=2) + "\n")
    return 0


def write_program(folder: Path) -> Path:
    """Writes `az` into the folder, for POSIX and for Windows, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "emulators.local.az"]
    files = {
        "az": f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n',
        "az.cmd": f'@"{sys.executable}" -m emulators.local.az %*\r\n',
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8", newline="")
        (folder / name).chmod(0o755)
    return folder


if __name__ == "__main__":
    sys.exit(main())
