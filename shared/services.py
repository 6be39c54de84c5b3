"""Builds everything once, from the environment: the one place that knows which class stands behind an interface.

`LazyServices` reads the settings and builds the `Services` while the app is loaded. It keeps both.
No other module of shared/ reads `os.environ`. This module also mutes warnings of libraries that name people.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import SettingsError
from .net import Transport
from .preload import (
    collector_paused,
    import_libraries,
    module_being_imported,
    start_in_background,
    wait_for_import,
)
from .settings import Authority, RedisSettings, Settings, problem_of_api
from .telemetry import notes

if TYPE_CHECKING:
    from .app_tokens import AppTokens
    from .downstream import DownstreamApis
    from .exchange import OnBehalfOf, TenantExchanges
    from .sessions import Exchanger
    from .validation import AccessTokenValidator, ValidatedAppToken, ValidatedToken

# A failure counts this long for the health check. Without requests, only its end shows that the fault may be repaired.
LAST_STATE_SECONDS = 300.0

log = logging.getLogger(__name__)
# The warnings of these libraries quote addresses and responses, which name people. Each library is listed: "azure"
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
        # Imported here so that the app imports fast. `.downstream` can wait: it is needed after the first exchange.
        from .exchange import MsalHttpClient, OnBehalfOf, TenantExchanges, credential_loads
        from .sessions import Sessions
        from .validation import AccessTokenValidator, Metadata, SigningKeys

        self.settings, self.now = settings, now
        self._making = threading.Lock()
        self._app_tokens: AppTokens | None = None
        self._apis: DownstreamApis | None = None
        self._sleep, self._transport = sleep, transport
        entra = transport(now=now)
        metadata = Metadata(settings.authority, entra, now, sleep)
        self.signing_keys = SigningKeys(metadata.fetch_keys, now)
        self._credentials = credentials = credential_loads(settings.authority, settings.client, now)

        def on_behalf_of(authority: Authority) -> OnBehalfOf:
            http = MsalHttpClient(authority, entra, now, metadata.fetched_document)
            return OnBehalfOf(authority, settings.client, http, now, sleep, credentials=credentials)

        keys = self.signing_keys
        validator = _AfterImports(AccessTokenValidator(settings.authority, settings.tokens, keys, now), settings)
        self.entra = TenantExchanges(on_behalf_of)
        exchanger: Exchanger = self.entra
        self._for_first_exchange = [credentials.load_early]
        if settings.redis:
            exchanger, fetch_redis_token = _with_shared_cache(settings.redis, self.entra, now, sleep)
            self._for_first_exchange.append(fetch_redis_token)
        self.sessions = Sessions(validator, keys, exchanger, now, settings.max_sessions, settings.max_session_bytes)

    @property
    def apis(self) -> DownstreamApis:
        """The downstream APIs. The first use makes the object that holds their connections."""
        if self._apis is None:
            from .downstream import DownstreamApis

            with self._making:
                self._apis = self._apis or DownstreamApis(
                    self.settings, self._transport(now=self.now), self.now, self._sleep
                )
        return self._apis

    def app_tokens(self) -> AppTokens:
        """The tokens of the application. The first call as the application makes the object that holds them."""
        from .app_tokens import AppTokens
        from .exchange.client_credentials import ClientCredentials

        with self._making:
            if self._app_tokens is None:
                authority = self.settings.authority
                source = ClientCredentials(authority, self.entra.of(authority))
                self._app_tokens = AppTokens(source, self.now)
            return self._app_tokens

    def broken(self) -> list[str]:
        """The names of what made the last requests fail. Reads memory only: sends nothing, and starts nothing.

        After LAST_STATE_SECONDS without a further failure, a name is left out: nobody knows its state any more.
        """
        failed_at = {"client credential": self._credentials.broken_at(), "signing keys": self.signing_keys.broken_at()}
        now = self.now()
        return [name for name, at in failed_at.items() if abs(now - at) < LAST_STATE_SECONDS]

    def load_early(self) -> None:
        """Starts to load what the first token and the first exchange need, as far as it is not there or on its way.

        Waits for nothing, raises nothing. A failure is forgotten when this is called again.
        """
        self.signing_keys.fetch_early()
        for start_load in self._for_first_exchange if self.settings.downstream_apis else ():
            start_load()


class _AfterImports:
    """Validates tokens. Before the first one, it imports all libraries in the order in which they are needed.

    Python imports one at a time. Those of a token, imported first, would delay those of the vault, which take longest.
    """

    def __init__(self, validator: AccessTokenValidator, settings: Settings) -> None:
        self._validator, self._settings, self._is_ready = validator, settings, False

    def validate(self, bearer: str) -> ValidatedToken | ValidatedAppToken:
        """As AccessTokenValidator.validate."""
        if not self._is_ready:
            import_libraries(self._settings)
            self._is_ready = True
        return self._validator.validate(bearer)


class LazyServices:
    """Reads the settings and builds the services while the app is loaded, so that the first request finds them."""

    def __init__(
        self,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[..., Transport] = Transport,
    ) -> None:
        self._environ, self._now, self._sleep, self._transport = environ, now, sleep, transport
        self._lock, self._building = threading.Lock(), threading.Lock()
        self._settings: Settings | SettingsError | None = None
        self._services: Services | None = None
        self._is_asked = self._is_preloaded = False

    def get(self) -> Services:
        """The services, for a request. The first call starts to load what could not be loaded before.

        Raises:
            SettingsError: names every wrong setting. Until all are right, no token is accepted.
        """
        settings = self.settings()
        services = self._services if self._is_asked else None
        if services is None:
            services = self._build(settings)
            self._is_asked = True
            services.load_early()
        return services

    def settings(self) -> Settings:
        """The settings. Raises SettingsError as `get` does."""
        settings = self._read_settings()
        if isinstance(settings, SettingsError):
            raise SettingsError(settings.problems)
        return settings

    def problems(self) -> Mapping[str, str]:
        """Wrong settings: name → what it must be. They are logged when the settings are first read. Raises nothing."""
        settings = self._read_settings()
        return dict(settings.problems) if isinstance(settings, SettingsError) else {}

    def broken(self) -> list[str]:
        """The names that Services.broken returns. Before the first request there are none: no request has failed."""
        return self._services.broken() if self._services is not None and self._is_asked else []

    def preload(self) -> None:
        """Starts `load_ahead` in the background, once. Waits for nothing, raises nothing."""
        if not self._is_preloaded:
            self._is_preloaded = True
            self._read_settings()
            start_in_background(partial(self._load_after_import, module_being_imported()))

    def _load_after_import(self, app: str) -> None:
        wait_for_import(app)  # its last function may report a wrong setting
        self.load_ahead()

    def load_ahead(self) -> None:
        """Loads what the first request needs: signing keys, client credential, libraries. Raises nothing.

        Nothing is loaded while a setting is wrong. What fails here is loaded by the first request.
        """
        settings = self._read_settings()
        if not isinstance(settings, SettingsError):
            with suppress(Exception), collector_paused():  # the first request does the same, and raises what is wrong
                self._build(settings).load_early()
                import_libraries(settings)

    def default_scopes(self) -> tuple[str, ...]:
        """`AzureAd__Scopes`, the default for functions that name no scopes. Empty while settings are wrong."""
        settings = self._read_settings()
        return () if isinstance(settings, SettingsError) else settings.scopes

    def problem_of_api(self, name: str, *, for_app: bool) -> tuple[str, str] | None:
        """Returns (setting, requirement) for the setting that prevents calls of this API.

        None if nothing prevents them, or if other settings are wrong.

        Args:
            for_app: whether the API is called as the application, and not as the user.
        """
        settings = self._read_settings()
        return (
            None
            if isinstance(settings, SettingsError)
            else problem_of_api(settings.downstream_apis, name, for_app=for_app)
        )

    def report(self, name: str, problem: str) -> None:
        """Adds a problem that was found while the app was loaded."""
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
        with self._building:
            if self._services is None:
                self._services = Services(settings, self._now, self._sleep, self._transport)
            return self._services


def _read_environ(environ: Mapping[str, str]) -> Settings | SettingsError:
    try:
        return Settings.from_environ(environ)
    except SettingsError as error:
        for name, problem in error.problems.items():
            log.error("setting %s %s", name, problem)
        return error


def _with_shared_cache(
    redis: RedisSettings,
    entra: TenantExchanges[OnBehalfOf],
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[Exchanger, Callable[[], None]]:
    """The Redis cache in front of Entra, and the function that starts to fetch the token for Redis."""
    from .exchange import TenantExchanges
    from .redis import DistributedCache, RedisStore

    place = urlsplit(redis.url.reveal())
    log.info("token cache: shared through Redis at %s:%d", place.hostname, place.port or 6379)
    store = RedisStore(redis, now)

    def cache(authority: Authority) -> DistributedCache:
        return DistributedCache(authority, entra.of(authority), store, now, sleep)

    return TenantExchanges(cache), store.prepare


services = LazyServices(os.environ)
