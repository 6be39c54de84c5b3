"""The unit costs, measured with the template's own modules in this process, against the emulated tenant.

Only the CPU time of the thread that does the work counts. The tenant's own work in its threads does not count, and
neither does the wait for Entra or Redis.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from emulators.stack import Stack
from maintainers.benchmarks.environment import enter
from maintainers.benchmarks.machine import machine
from maintainers.tests.redis.server import RedisServer, program
from shared.exchange.downstream_token import DownstreamToken, Refusal
from shared.redis.cache import DistributedCache
from shared.redis.cache_backend import CacheBackend
from shared.redis.store import RedisStore
from shared.services import LazyServices
from shared.settings.environ import Secret
from shared.settings.settings import RedisSettings, Settings
from shared.validation.access_token import AccessTokenValidator

from .costs import Costs
from .dict_store import DictStore
from .known_request import log_at_info, requesting

_TOKENS = 300
_EXCHANGES = 40
_ROUNDS = 5
_LEAST_SECONDS = 0.05
_REDIS_OVERHEAD = 400  # bytes of an entry beyond its content, as redis-server 7 has it, where none can be asked
_PADDING = [f"6f1d7a4e-0000-4000-8000-{number:012}" for number in range(12)]  # a caller in a dozen groups


def measure() -> Costs:
    """Takes about five seconds."""
    with _tenant() as stack, log_at_info():
        provider = LazyServices(stack.environ("api"))
        services = provider.get()
        bearers = [stack.issue_access_token("alice", groups=_PADDING) for _ in range(_TOKENS)]
        services.sessions.open(bearers[0])
        scopes = services.settings.downstream_apis["graph"].scopes

        def exchange(bearer: str) -> DownstreamToken:
            return services.entra.of(services.settings.authority).exchange(bearer, scopes, correlation_id="")

        token = exchange(bearers[0])  # the credential is loaded, connections are open
        exchange_seconds = _each(exchange, bearers[:_EXCHANGES], rounds=3)
        known, validation, session_bytes, token_bytes = _first_level(provider, bearers, token)
        store, hit, new, entry_bytes = _second_level(services.settings, bearers, token)
    own = exchange_seconds, hit, new, session_bytes, token_bytes, entry_bytes
    return Costs(known, validation, *own, store, machine())


def _first_level(
    provider: LazyServices, bearers: Sequence[str], token: DownstreamToken
) -> tuple[float, float, float, float]:
    """Seconds for a request with a known token and for a new token; bytes of a session, and of each token in it."""
    services = provider.get()
    settings = services.settings
    validator = AccessTokenValidator(settings.authority, settings.tokens, services.signing_keys, services.now)
    validation = _each(validator.validate, bearers)
    scopes, rest = services.settings.downstream_apis["graph"].scopes, bearers[1:]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sessions = [services.sessions.open(bearer) for bearer in rest]
    opened = tracemalloc.get_traced_memory()[0]
    for session, bearer in zip(sessions, rest, strict=True):
        own = DownstreamToken(f"{token.token[:-9]}{bearer[-9:]}", token.expires_at, token.renew_at)
        session.keep(scopes, own, instead_of=None)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    known = _each(requesting(provider, rest), rest)
    return known, validation, (opened - before) / len(rest), (kept - opened) / len(rest)


def _second_level(
    settings: Settings, bearers: Sequence[str], token: DownstreamToken
) -> tuple[str, float, float, float]:
    """What stood for Redis; seconds for a token found there and for one that was new; bytes of an entry."""
    scopes = settings.downstream_apis["graph"].scopes
    with _store() as (name, store, bytes_used):
        cache = DistributedCache(settings.authority, _Entra(token), store, time.time, time.sleep)

        def find(bearer: str) -> DownstreamToken:
            return cache.exchange(bearer, scopes, correlation_id="")

        find(bearers[0])  # connected, and Redis has room for scripts: a hundred KB at the first one
        rest, before = bearers[1:], bytes_used()
        new = _each(find, rest, rounds=1)
        entry_bytes = (bytes_used() - before) / len(rest)
        return name, _each(find, rest), new, entry_bytes


class _Entra:
    """Responds at once, so the cost of the code before it remains."""

    def __init__(self, token: DownstreamToken) -> None:
        self._token = token

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        del assertion, scopes, correlation_id, refusal
        return self._token


@contextmanager
def _store() -> Iterator[tuple[str, CacheBackend, Callable[[], float]]]:
    if program() is None:
        standing_in = _Weighed(time.time)
        yield "a dictionary: no redis-server on the PATH", standing_in, standing_in.bytes_used
        return
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server, server.client() as client:
        store = RedisStore(RedisSettings(Secret(server.url), ""), time.time)
        yield "redis-server on this machine", store, lambda: float(client.info("memory")["used_memory"])


class _Weighed(DictStore):
    def bytes_used(self) -> float:
        return float(sum(len(content) + _REDIS_OVERHEAD for content, _ in self._entries.values()))


@contextmanager
def _tenant() -> Iterator[Stack]:
    """A tenant, which this process reaches as a deployed API reaches the real one."""
    with ExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory())
        stack = exits.enter_context(Stack.start(Path(folder)))
        before = dict(os.environ)
        exits.callback(os.environ.update, before)
        exits.callback(os.environ.clear)
        enter(stack.environ("api"))
        yield stack


def _each(work: Callable[[str], object], bearers: Sequence[str], rounds: int = _ROUNDS) -> float:
    """Seconds of CPU for one; the median of some rounds, each long enough for a coarse clock, or of one pass."""
    taken = []
    for _ in range(rounds):
        started, done = time.thread_time(), 0
        while not done or (rounds > 1 and time.thread_time() - started < _LEAST_SECONDS):
            for bearer in bearers:
                work(bearer)
            done += len(bearers)
        taken.append((time.thread_time() - started) / done)
    return statistics.median(taken)
