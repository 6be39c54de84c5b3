"""How often Entra is asked when many want the same cold token at once: threads of one process, and processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

from shared.services import Services
from shared.settings import Settings

from ..fleet import at_once
from ..msal_peer import MsalPeer
from ..population import SCOPES
from ..redis_server import why_not
from ..result import Result, compared
from ..tenant import Tenant, tenant
from . import Skipped

_ENTRA_SECONDS = 0.5  # long enough for all to come before the first has its token


def measure(quick: bool) -> Iterator[Result]:
    """Counted at the tenant's token endpoint."""
    rounds, threads, processes = (1, 10, 2) if quick else (3, 100, 8)
    with tenant() as there:
        services, msal = Services(Settings.from_environ(os.environ)), MsalPeer(there.pfx())
        msal.exchange(there.tokens(1)[0])  # connected, and the metadata known
        _ask(services, there.tokens(1)[0])
        there.delays(entra_token=_ENTRA_SECONDS)
        ours = [_asked(there, lambda token: _by_threads(threads, lambda: _ask(services, token))) for _ in range(rounds)]
        peer = [_asked(there, lambda token: _by_threads(threads, lambda: msal.exchange(token))) for _ in range(rounds)]
        yield compared("threads", "exchanges", ours, peer)
        if why_not():
            raise Skipped(why_not())
        from tests.redis.server import RedisServer

        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                ours = [_asked(there, lambda token: at_once("template", processes, token, server.url))]
                peer = [_asked(there, lambda token: at_once("msal", processes, token, "", there.pfx()))]
            finally:
                server.kill()
        yield compared("processes", "exchanges", ours, peer)


def _asked(there: Tenant, work: Callable[[str], None]) -> float:
    token, mark = there.tokens(1)[0], there.mark()
    work(token)
    return there.exchanges(mark)


def _ask(services: Services, token: str) -> None:
    known = services.sessions.open(token)
    services.sessions.token_for(known, token, SCOPES, correlation_id=str(uuid4()))


def _by_threads(count: int, call: Callable[[], object]) -> None:
    start = Barrier(count)

    def run(_: int) -> None:
        start.wait(30)
        call()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
