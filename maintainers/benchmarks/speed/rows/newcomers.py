"""Many new users at once, in a process that has served others before.

Each token is new: it is validated and exchanged, and the exchanged token is used for one call. Of the template only the
public names are used, so this can be measured at older commits, too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from uuid import uuid4

import azure.functions as func
import jwt
import requests

from emulators.applications import API_ID
from maintainers.benchmarks.together import at_once

from ..msal_peer import AUTHORITY, MsalPeer
from ..result import Result, compared
from ..tenant import tenant
from .requests import turns

_GRAPH = "https://graph.microsoft.com/v1.0/me"


def measure(quick: bool) -> Iterator[Result]:
    """Wall-clock time from the moment when all threads are there until all have their response."""
    rounds, count = (1, 5) if quick else (7, 100)
    with tenant() as there:
        logging.basicConfig(level="INFO", stream=open(os.devnull, "w", encoding="utf-8"), force=True)  # noqa: SIM115
        calls = {"ours": _ours(), "peer": _by_hand(there.pfx(), there.tokens(1)[0])}
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(-1, rounds):  # the first time is for connections
            for name in turns(taken, number):
                seconds = _together(calls[name], there.tokens(count))
                if number >= 0:
                    taken[name].append(seconds)
        yield compared("newcomers", "time", taken["ours"], taken["peer"])


def _together(call: Callable[[str], object], tokens: Sequence[str]) -> float:
    waiting, started = iter(tokens), list[float]()
    at_once(len(tokens), lambda: call(next(waiting)), lambda: started.append(perf_counter()))
    return perf_counter() - started[0]


def _ours() -> Callable[[str], object]:
    from shared import User, requires_user

    @requires_user(scopes=["access_as_user"])
    def me(req: func.HttpRequest, user: User) -> object:
        return user.api("Graph").get("/me").json()

    def call(bearer: str) -> object:
        headers = {"Authorization": f"Bearer {bearer}"}
        reply = me(req=func.HttpRequest("GET", "https://localhost/api/me", headers=headers, body=b""))
        if reply.status_code != 200:
            raise RuntimeError(f"answered {reply.status_code}")
        return reply

    return call


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
