"""An exchanger that counts, in place of Entra, for tests of the second level."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from shared.errors import ApiError
from shared.exchange.downstream_token import DownstreamToken, Refusal
from shared.redis.cache import DistributedCache
from shared.redis.store import RedisStore
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings, Settings
from tests.support.clock import Clock

TENANT, CLIENT = "4b1c8a52-7f3e-4a0f-9d5e-0c8f6f0b1a2d", "9e2d7c41-5b6a-4c3d-8e1f-2a3b4c5d6e7f"
SCOPES = ("https://graph.microsoft.com/.default",)
LIFE = 3600.0


class CountingEntra:
    """Hands out tokens that are told apart by their number, or raises `error`."""

    def __init__(self, now: Callable[[], float], before: Callable[[], object] = lambda: None) -> None:
        self._now, self._before = now, before
        self._lock = threading.Lock()
        self.asked: list[str | None] = []
        """The claims of each exchange."""
        self.error: ApiError | None = None

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        self._before()
        with self._lock:
            self.asked.append(refusal.claims if refusal else None)
            number = len(self.asked)
        if self.error:
            raise self.error
        return DownstreamToken(f"downstream-{number}-{assertion[-8:]}", self._now() + LIFE, self._now() + LIFE - 300)


def settings(**changes: str) -> Settings:
    return Settings.from_environ({"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT, **changes})


def store(url: str, now: Callable[[], float]) -> RedisStore:
    return RedisStore(RedisSettings(Secret(url), ""), now)


class Instance:
    """One process of the fleet: a clock, a store and a second level, with no first level before it."""

    def __init__(
        self, url: str, clock: Clock, entra: CountingEntra | None = None, sleep: Callable[[float], None] | None = None
    ) -> None:
        self.clock = clock
        self.entra = entra or CountingEntra(clock)
        self.store = store(url, clock)
        self.cache = DistributedCache(
            settings().authority, self.entra, self.store, clock, sleep or clock.forward, lambda: 1.0
        )

    def token(
        self, bearer: str, scopes: Sequence[str] = SCOPES, claims: str | None = None, refusal: Refusal | None = None
    ) -> str:
        because = Refusal("refused", claims) if claims else refusal
        return self.cache.exchange(bearer, scopes, correlation_id="", refusal=because).token

    @property
    def exchanges(self) -> int:
        return len(self.entra.asked)
