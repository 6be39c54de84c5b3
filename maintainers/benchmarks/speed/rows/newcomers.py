"""Users who come for the first time: many of them at once, and one who needs two APIs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from uuid import uuid4

import jwt
import requests

from emulators.applications import API_ID
from maintainers.benchmarks.together import at_once
from shared.services import Services
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord
from shared.user.user import User

from ..msal_peer import AUTHORITY, MsalPeer
from ..result import Result, compared
from ..tenant import tenant
from .requests import turns

_GRAPH = "https://graph.microsoft.com/v1.0/me"
_ENTRA_SECONDS = 0.08


def measure(quick: bool) -> Iterator[Result]:
    """In a process that has served others before: fresh tokens, each validated, exchanged and used for one call."""
    rounds, count = (1, 5) if quick else (7, 100)
    with tenant() as there:
        services = Services(Settings.from_environ(os.environ))
        calls = {"ours": _ours(services), "peer": _by_hand(there.pfx(), there.tokens(1)[0])}
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(-1, rounds):  # the first time is for connections
            for name in turns(taken, number):
                seconds = _together(calls[name], there.tokens(count))
                if number >= 0:
                    taken[name].append(seconds)
        yield compared("newcomers", "time", taken["ours"], taken["peer"])
        there.delays(entra_token=_ENTRA_SECONDS)
        both, one = [], []
        for number in range(-1, 1 if quick else 15):
            first, second = there.tokens(2)
            two_seconds, one_seconds = _two(services, first), _one(services, second)
            if number >= 0:
                both.append(two_seconds)
                one.append(one_seconds)
        yield compared("two-apis", "time", both, one, note=f"Entra takes {_ENTRA_SECONDS * 1000:.0f} ms")


def _together(call: Callable[[str], object], tokens: Sequence[str]) -> float:
    waiting, started = iter(tokens), perf_counter()
    at_once(len(tokens), lambda: call(next(waiting)))
    return perf_counter() - started


def _ours(services: Services) -> Callable[[str], object]:
    def call(bearer: str) -> object:
        return _user(services, bearer).api("Graph").get("/me").json()

    return call


def _user(services: Services, bearer: str, prefetch: Sequence[str] = ()) -> User:
    session = services.sessions.open(bearer)
    context = services.sessions.context(session, bearer, RequestRecord("me", "GET"))
    for name in prefetch:
        context.prefetch(services.apis.named(name))  # type: ignore[union-attr]  # it is a user's
    return User(context, services.apis)  # type: ignore[arg-type]  # as above


def _by_hand(pfx: bytes, token: str) -> Callable[[str], object]:
    """`jwt.decode`, one MSAL application and one session of requests, kept for all."""
    keys = jwt.PyJWKClient(f"{AUTHORITY}/discovery/v2.0/keys")
    msal, session = MsalPeer(pfx), requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
    keys.get_signing_key_from_jwt(token)

    def call(bearer: str) -> object:
        key = keys.get_signing_key_from_jwt(bearer)
        jwt.decode(bearer, key, algorithms=["RS256"], audience=API_ID, issuer=f"{AUTHORITY}/v2.0")
        headers = {"Authorization": f"Bearer {msal.exchange(bearer)}", "client-request-id": str(uuid4())}
        reply = session.get(_GRAPH, headers=headers, timeout=30)
        reply.raise_for_status()
        return reply.json()

    return call


def _two(services: Services, bearer: str) -> float:
    """The tokens of two APIs, prefetched."""
    services.sessions.open(bearer)  # validated: that is another row
    started = perf_counter()
    user = _user(services, bearer, ("Graph", "Orders"))
    user.token("Graph")
    user.token("Orders")
    return perf_counter() - started


def _one(services: Services, bearer: str) -> float:
    services.sessions.open(bearer)
    started = perf_counter()
    _user(services, bearer).token("Graph")
    return perf_counter() - started
