"""A new token whose function needs two APIs: both exchanges run at once, if the decorator names them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from time import perf_counter

from shared.services import Services
from shared.sessions import RequestContext
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord
from shared.user.user import User

from ..result import Result, compared
from ..tenant import tenant

_ENTRA_SECONDS = 0.08
_APIS = ("Graph", "Orders")


def measure(quick: bool) -> Iterator[Result]:
    """Wall-clock time from the validated token to the tokens for the APIs."""
    both, one = [], []
    with tenant() as there:
        services = Services(Settings.from_environ(os.environ))
        there.delays(entra_token=_ENTRA_SECONDS)
        for number in range(-1, 1 if quick else 15):  # the first time is for connections
            first, second = there.tokens(2)
            taken = _tokens_for(services, first, _APIS), _tokens_for(services, second, _APIS[:1])
            if number >= 0:
                both.append(taken[0])
                one.append(taken[1])
    note = f"Entra takes {_ENTRA_SECONDS * 1000:.0f} ms"
    yield compared("two-apis", "time", both, one, note=note)


def _tokens_for(services: Services, bearer: str, names: Sequence[str]) -> float:
    session = services.sessions.open(bearer)  # validated before: that is another row
    started = perf_counter()
    context = services.sessions.context(session, bearer, RequestRecord("me", "GET"))
    assert isinstance(context, RequestContext)  # noqa: S101 — a user's
    for name in names if len(names) > 1 else ():
        context.prefetch(services.apis.named(name))
    user = User(context, services.apis)
    for name in names:
        user.token(name)
    return perf_counter() - started
