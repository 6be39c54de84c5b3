"""Without Redis, nothing of it is imported. With Redis, the first use connects."""

from __future__ import annotations

from tests.support.lab import Lab, said_by

from .tap import Tap

SAY = """
import sys
from shared.preload import import_libraries
from shared.services import Services
from shared.settings.settings import Settings
import function_app, os
settings = Settings.from_environ(os.environ)
import_libraries(settings)
services = Services(settings)
services.entra.of(services.settings.authority)._clients.get()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("redis", "redis_entraid")
             or name in ("shared.redis.store", "shared.redis.cache", "shared.redis.sealed")))
"""


def modules(environ: dict[str, str]) -> str:
    """What of Redis is loaded once the app is, with its libraries and its credential."""
    return said_by(SAY, environ).strip()


def test_without_the_setting_nothing_of_redis_is_imported(lab: Lab) -> None:
    assert modules(lab.environ()) == "[]"


def test_with_it_redis_is_but_not_what_only_an_identity_needs(lab: Lab) -> None:
    found = modules(lab.environ(TokenCache__Redis__Url="redis://127.0.0.1:1"))
    assert "'redis'" in found
    assert "'shared.redis.store'" in found
    assert "redis_entraid" not in found


def test_building_the_services_opens_no_connection(lab: Lab, tap: Tap) -> None:
    lab.services(TokenCache__Redis__Url=tap.url)
    assert tap.connections == 0
