"""The composition root: reads the environment, builds everything once. The only reader of `os.environ` here."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from .downstream import DownstreamApis
from .errors import SettingsError
from .exchange import MsalHttpClient, OnBehalfOf, TokenSource
from .net import Transport
from .preload import preload_in_background
from .sessions import Sessions
from .settings import Settings
from .telemetry import notes
from .validation import AccessTokenValidator, Metadata, SigningKeys

log = logging.getLogger(__name__)
# The warnings of these libraries quote addresses and responses, which name people. They are named one by one: "azure"
# alone would also silence Microsoft's worker and the Azure SDKs that the app itself uses.
for _library in ("azure.core", "azure.identity", "azure.keyvault", "msal", "redis", "urllib3"):
    logging.getLogger(_library).setLevel(logging.ERROR)
logging.getLogger("msal.oauth2cli.oauth2").addFilter(lambda _: False)  # it logs a token response that it cannot parse
logging.getLogger(__package__).addHandler(notes)


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
        entra = transport(now=now)
        metadata = Metadata(settings.authority, entra, now, sleep)
        self.signing_keys = SigningKeys(metadata.fetch_keys, now)
        self.on_behalf_of = OnBehalfOf(
            settings.authority,
            settings.client,
            MsalHttpClient(settings.authority, entra, now, metadata.fetched_document),
            now,
            sleep,
        )
        validator = AccessTokenValidator(settings.authority, settings.tokens, self.signing_keys, now)
        exchanger: TokenSource = self.on_behalf_of
        self._preparations = [self.on_behalf_of.load_credential_early]
        if settings.redis.url.reveal():
            exchanger, prepare = _add_shared_cache(settings, self.on_behalf_of, now, sleep)
            self._preparations.append(prepare)
        self.sessions = Sessions(
            validator, self.signing_keys, exchanger, now, settings.max_sessions, settings.max_session_bytes
        )

    def prepare(self) -> None:
        """Starts to load what the first exchange will need. Waits for nothing, raises nothing."""
        for prepare in self._preparations if self.settings.downstream_apis else ():
            prepare()


class LazyServices:
    """Makes the services at the first request; knows what is wrong with the settings as soon as the app starts."""

    def __init__(
        self,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[..., Transport] = Transport,
    ) -> None:
        self._environ, self._now, self._sleep, self._transport = environ, now, sleep, transport
        self._lock = threading.Lock()
        self._settings: Settings | SettingsError | None = None
        self._services: Services | None = None
        self._libraries: threading.Thread | None = None

    def get(self) -> Services:
        """The services, for the first request and all after it. The first begins to load the client credential, too.

        Raises:
            SettingsError: names all that is wrong; until it is fixed no token is accepted.
        """
        settings = self._read_settings()
        if isinstance(settings, SettingsError):
            raise SettingsError(settings.problems)
        if self._services is None:
            with self._lock:
                self._services = self._services or self._build(settings)
        return self._services

    def problems(self) -> Mapping[str, str]:
        """Wrong settings, name → what they must be; each is logged when this is first asked. Raises nothing."""
        settings = self._read_settings()
        return dict(settings.problems) if isinstance(settings, SettingsError) else {}

    def preload(self) -> None:
        """Starts to import in the background what the first request will need. Opens no connection."""
        settings = self._read_settings()
        with self._lock:
            if self._libraries is None and not isinstance(settings, SettingsError):
                self._libraries = preload_in_background(settings)

    def default_scopes(self) -> tuple[str, ...]:
        """`AzureAd__Scopes`: what a function asks for that names no scopes itself; none while settings are wrong."""
        settings = self._read_settings()
        return () if isinstance(settings, SettingsError) else settings.scopes

    def has_api(self, name: str) -> bool:
        """Whether the settings name this downstream API; true while settings are wrong, as they say so themselves."""
        settings = self._read_settings()
        return isinstance(settings, SettingsError) or name.lower() in settings.downstream_apis

    def report(self, name: str, problem: str) -> None:
        """Adds a problem that only showed when a function was declared."""
        self._read_settings()
        with self._lock:
            known = self._settings.problems if isinstance(self._settings, SettingsError) else {}
            self._settings = SettingsError({**known, name: problem})
        log.error("setting %s %s", name, problem)

    def _read_settings(self) -> Settings | SettingsError:
        if self._settings is None:
            with self._lock:
                self._settings = self._settings or _read_environ(self._environ)
        return self._settings

    def _build(self, settings: Settings) -> Services:
        services = Services(settings, self._now, self._sleep, self._transport)
        services.prepare()
        return services


def _read_environ(environ: Mapping[str, str]) -> Settings | SettingsError:
    try:
        return Settings.from_environ(environ)
    except SettingsError as error:
        for name, problem in error.problems.items():
            log.error("setting %s %s", name, problem)
        return error


def _add_shared_cache(
    settings: Settings, entra: OnBehalfOf, now: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[TokenSource, Callable[[], None]]:
    """The second level in front of Entra, and what prepares it."""
    from .redis import (
        DistributedCache,  # here: who has no Redis loads nothing for it
        RedisStore,
    )

    place = urlsplit(settings.redis.url.reveal())
    log.info("token cache: shared through Redis at %s:%d", place.hostname, place.port or 6379)
    store = RedisStore(settings.redis, now)
    return DistributedCache(settings.authority, entra, store, now, sleep), store.prepare


services = LazyServices(os.environ)
