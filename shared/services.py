"""The composition root: reads the environment, builds everything once. The only reader of `os.environ` here."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from .access_token import AccessTokenValidator
from .downstream_api import DownstreamApis
from .errors import SettingsError
from .on_behalf_of import OnBehalfOf
from .sessions import Exchanger, Sessions
from .settings import Settings
from .signing_keys import SigningKeys
from .transport import Transport

_IMPORT_FIRST_SECONDS = 0.05  # the app's own import comes first
KEYS_READ_SECONDS = 5.0  # whoever sends an unknown key id can make threads wait for this long, twice a minute

log = logging.getLogger(__name__)
for _library in ("azure", "msal", "redis", "urllib3"):  # their warnings quote addresses and answers, which name people
    logging.getLogger(_library).setLevel(logging.ERROR)


class Services:
    """Everything that one set of settings needs. Building it opens no connection."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[..., Transport] = Transport,
    ) -> None:
        self.settings, self.now = settings, now
        self.apis = DownstreamApis(settings, transport(now=now), now, sleep)
        self.signing_keys = SigningKeys(settings.authority, transport(read=KEYS_READ_SECONDS, now=now), now)
        self.on_behalf_of = OnBehalfOf(settings, transport(now=now), now, sleep)
        validator = AccessTokenValidator(settings, self.signing_keys, now)
        exchanger = (
            self.on_behalf_of if not settings.redis.url.reveal() else _shared(settings, self.on_behalf_of, now, sleep)
        )
        self.sessions = Sessions(
            validator, self.signing_keys, exchanger, now, settings.max_sessions, settings.max_session_bytes
        )


class LazyServices:
    """Services made when first asked for, and what is wrong with the settings, known as soon as the app starts."""

    def __init__(
        self,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[..., Transport] = Transport,
    ) -> None:
        self._environ, self._now, self._sleep, self._transport = environ, now, sleep, transport
        self._lock = threading.Lock()
        self._services: Services | None = None
        self._problems: dict[str, str] | None = None
        self._libraries: threading.Thread | None = None

    def get(self) -> Services:
        """The services.

        Raises:
            SettingsError: names all that is wrong; until it is mended no token is accepted.
        """
        if self._services is None:
            with self._lock:
                self._services = self._services or self._build()
        return self._services

    def problems(self) -> dict[str, str]:
        """Wrong settings, name → what they must be; each is logged when this is first asked. Raises nothing."""
        with self._lock:
            if self._problems is None:
                self._problems = _wrong_settings(self._environ)
                for name, problem in self._problems.items():
                    log.error("setting %s %s", name, problem)
            return dict(self._problems)

    def load_libraries(self) -> None:
        """Begins to import, beside what goes on, what the first request will need. Asks nobody anything."""
        with self._lock:
            if self._libraries is None:
                self._libraries = threading.Thread(target=_load_libraries, name="libraries")
                self._libraries.start()

    def default_scopes(self) -> tuple[str, ...]:
        """`AzureAd__Scopes`: what a function asks for that names no scopes itself. Raises SettingsError."""
        return self.get().settings.scopes

    def report(self, name: str, problem: str) -> None:
        """Adds a problem that only showed when a function was declared."""
        known = self.problems()
        with self._lock:
            self._problems = {**known, name: problem}
        log.error("setting %s %s", name, problem)

    def _build(self) -> Services:
        return Services(Settings.from_environ(self._environ), self._now, self._sleep, self._transport)


def _shared(
    settings: Settings, entra: OnBehalfOf, now: Callable[[], float], sleep: Callable[[float], None]
) -> Exchanger:
    from .distributed_cache import DistributedCache  # here: who has no Redis loads nothing for it
    from .redis_store import RedisStore

    return DistributedCache(settings, entra, RedisStore(settings.redis, now), now, sleep)


def _load_libraries() -> None:
    time.sleep(_IMPORT_FIRST_SECONDS)
    with suppress(ImportError):  # whoever needs it will say what is missing
        for name in ("punctual_http", "key_set", "client_credential"):
            importlib.import_module(f".{name}", __package__)
        for name in ("msal", "azure.identity", "azure.keyvault.secrets"):
            importlib.import_module(name)


def _wrong_settings(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        Settings.from_environ(environ)
    except SettingsError as error:
        return error.problems
    return {}


services = LazyServices(os.environ)
