"""A known token: the user and the downstream token come from the first level."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import jwt

from emulators.applications import API_ID
from shared.services import Services
from shared.sessions import RequestContext
from shared.settings.settings import Settings
from shared.telemetry.request_record import RequestRecord
from shared.user.user import User

from ..msal_peer import AUTHORITY, MsalPeer
from ..population import Population
from ..raw import verifying
from ..result import Result, Spread, compared
from ..rounds import in_turns
from ..tenant import tenant

_SIZES = {"known-1k": 1_000, "known-10k": 10_000, "known-100k": 100_000}
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def measure(quick: bool) -> Iterator[Result]:
    """One row for each number of users. The fewest are measured again next to the most, to compare them."""
    rounds = 3 if quick else 9
    few: dict[str, Callable[[], object]] = {}
    with tenant() as there:
        services = Services(Settings.from_environ(os.environ))
        token, certificate = there.tokens(1)[0], there.pfx()
        floor = verifying(token, services.sessions.open(token).access_token.key.key)
        validate = validating(token)
        for row, size in _SIZES.items():
            users = size // 50 if quick else size
            ours, peer = _ours(services, token, users), _peer(MsalPeer(certificate), validate, token, users)
            taken = in_turns({"ours": ours, "peer": peer, "floor": floor, **few}, rounds, quick)
            few = few or {"ours, few": ours, "peer, few": peer}
            yield compared(row, "time", taken["ours"], taken["peer"], taken["floor"])
            del ours, peer
            gc.collect()
    ours_grew, peer_grew = (_ratios(taken[f"{name}, few"], taken[name]) for name in ("ours", "peer"))
    yield Result("known-flat", "times", ours_grew, peer_grew)


def validating(token: str) -> Callable[[], object]:
    """PyJWT's client for key sets, kept, and `jwt.decode`, as in its usage guide."""
    keys = jwt.PyJWKClient(f"{AUTHORITY}/discovery/v2.0/keys")

    def validate() -> object:
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=["RS256"], audience=API_ID, issuer=f"{AUTHORITY}/v2.0")

    validate()
    return validate


def _ours(services: Services, token: str, size: int) -> Callable[[], object]:
    """What stands between a request and its function: the user with their claims, and the token for Graph."""
    population = Population(services, token, max_sessions=size)
    population.come(range(size))
    sessions, regular = population.sessions, population.regulars(size)

    def known() -> tuple[str, str]:
        bearer = regular()
        caller = RequestContext(sessions, sessions.open(bearer), bearer, RequestRecord("me", "GET", _TRACE))
        user = User(caller, services.apis)
        return user.id, user.token("Graph")

    return known


def _peer(msal: MsalPeer, validate: Callable[[], object], token: str, size: int) -> Callable[[], object]:
    regulars = cycle(msal.fill(token, size)[:: max(1, size // 100)])
    return lambda: (validate(), msal.silent(next(regulars)))


def _ratios(few: Sequence[float], many: Sequence[float]) -> Spread:
    return Spread.of([more / less for less, more in zip(few, many, strict=True)])
