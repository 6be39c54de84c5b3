"""The number of exchanges when many callers use one new token at once: in threads of one process, and in processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from maintainers.benchmarks.together import at_once
from maintainers.tests.redis.server import WHY_NOT, RedisServer, program
from shared.services import Services
from shared.settings.settings import Settings

from ..msal_peer import MsalPeer
from ..population import SCOPES
from ..processes import ask_at_once
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
        ours = [_asked(there, lambda token: at_once(threads, lambda: _ask(services, token))) for _ in range(rounds)]
        peer = [_asked(there, lambda token: at_once(threads, lambda: msal.exchange(token))) for _ in range(rounds)]
        yield compared("threads", "exchanges", ours, peer)
        if program() is None:
            raise Skipped(WHY_NOT)
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
            ours = [_asked(there, lambda token: ask_at_once("template", processes, token, server.url))]
            peer = [_asked(there, lambda token: ask_at_once("msal", processes, token, pfx=there.pfx()))]
        yield compared("processes", "exchanges", ours, peer)


def _asked(there: Tenant, work: Callable[[str], object]) -> float:
    token, mark = there.tokens(1)[0], there.mark()
    work(token)
    return there.exchanges(mark)


def _ask(services: Services, token: str) -> None:
    known = services.sessions.open(token)
    services.sessions.token_for(known, token, SCOPES, correlation_id=str(uuid4()))
