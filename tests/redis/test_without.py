"""Who has no Redis loads nothing of it; who has one connects when it is first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lab import Lab

from .tap import Tap

ROOT = Path(__file__).parents[2]
SAY = """
import sys
from shared.libraries import load
from shared.services import Services
from shared.settings import Settings
import function_app, os
settings = Settings.from_environ(os.environ)
load(settings)
services = Services(settings)
services.on_behalf_of._clients.ready()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("redis", "redis_entraid")
             or name in ("shared.redis_store", "shared.distributed_cache", "shared.sealed")))
"""


def modules(environ: dict[str, str]) -> str:
    """What of Redis is loaded once the app is, with its libraries and its credential."""
    done = subprocess.run(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_the_setting_nothing_of_redis_is_imported(lab: Lab) -> None:
    assert modules(lab.environ()) == "[]"


def test_with_it_redis_is_but_not_what_only_an_identity_needs(lab: Lab) -> None:
    found = modules(lab.environ(TokenCache__Redis__Url="redis://127.0.0.1:1"))
    assert "'redis'" in found
    assert "'shared.redis_store'" in found
    assert "redis_entraid" not in found


def test_building_the_services_opens_no_connection(lab: Lab, tap: Tap) -> None:
    lab.services(TokenCache__Redis__Url=tap.url)
    assert tap.connections == 0
