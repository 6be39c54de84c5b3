"""The memory for one more user, as Python's allocator counts it, and as the system does."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

from maintainers.tests.soak.memory import megabytes
from shared.services import Services
from shared.sessions import Sessions
from shared.settings.settings import Settings
from shared.validation.access_token import AccessTokenValidator

from ..msal_peer import MsalPeer
from ..population import SCOPES, TOKEN_CHARS, Population
from ..result import Result, compared
from ..tenant import tenant


def measure(quick: bool) -> Iterator[Result]:
    """Genuine tokens through the real validator; only the exchange is a stand-in's."""
    rounds, count = (2, 200) if quick else (3, 5000)
    with tenant() as there:
        services, pfx = Services(Settings.from_environ(os.environ)), there.pfx()
        tokens = there.tokens(count)
        claims = len(services.sessions.open(tokens[0]).access_token.payload)
        entra = Population(services, tokens[0])

        def ours() -> Sessions:
            return _filled(services, entra, tokens)

        def peer() -> object:
            msal = MsalPeer(pfx)
            msal.fill(tokens[0], count)
            return msal

        resident = _resident(ours, count)
        mine = [_traced(ours) / count for _ in range(rounds)]
        theirs = [_traced(peer) / count for _ in range(rounds)]
    yield compared("memory", "bytes", mine, theirs, [float(claims + TOKEN_CHARS)] * rounds, resident)


def _filled(services: Services, entra: Population, tokens: Sequence[str]) -> Sessions:
    keys = services.signing_keys
    validator = AccessTokenValidator(services.settings.authority, services.settings.tokens, keys, time.time)
    sessions = Sessions(validator, keys, entra, time.time, 10**6, 10**12)
    for token in tokens:
        sessions.token_for(sessions.open(token), token, SCOPES, correlation_id="")
    return sessions


def _traced(make: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return size


def _resident(make: Callable[[], Sessions], count: int) -> str:
    """What the system says, and what the first level reckons with."""
    before = megabytes(os.getpid())
    sessions = make()
    after = megabytes(os.getpid())
    if before is None or after is None:
        return ""
    each, reckoned = (after - before) * 2**20 / count, sessions._sessions.size / count
    return f"resident: {each / 1000:.2f} KB a user; Session.size() says {reckoned / 1000:.2f} KB"
