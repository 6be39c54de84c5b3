"""The model against the template's own caches: real sessions, the real second level, a clock that is moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from maintainers.benchmarks.fleet.costs import Costs
from maintainers.benchmarks.fleet.dict_store import DictStore
from maintainers.benchmarks.fleet.fleet import HOUR, Fleet
from maintainers.benchmarks.fleet.model import SHARED_HIT, SHARED_NEW, answer
from maintainers.benchmarks.fleet.simulation import Request, requests, simulate
from shared.exchange import TenantExchanges
from shared.exchange.downstream_token import DownstreamToken, Refusal, TokenSource
from shared.redis.cache import DistributedCache
from shared.sessions import Sessions
from shared.settings.settings import Settings
from shared.validation.access_token import ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.clock import Clock

IDS = {
    "AzureAd__TenantId": "4b1c8a52-7f3e-4a0f-9d5e-0c8f6f0b1a2d",
    "AzureAd__ClientId": "9e2d7c41-5b6a-4c3d-8e1f-2a3b4c5d6e7f",
}
AUTHORITY = Settings.from_environ(IDS).authority
SCOPES = ("https://graph.microsoft.com/.default",)
FREE = Costs(0, 0, 0, 0, 0, 1, 0, 0, "", "")
WARM_UP, LIVES, SEED = 2, 3, 11


class Validator:
    """Reads the end of a token from the token itself."""

    def validate(self, token: str) -> ValidatedToken:
        ends_at = float(token.split("@")[1])
        return ValidatedToken(
            b"{}", ends_at, frozenset({"access_as_user"}), "k", cast(SigningKey, object()), "oid", "-", AUTHORITY
        )


class EveryKeyIsGood:
    def still_valid(self, key_id: str, key: object) -> bool:
        return True


class CountingEntra:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.exchanges = 0

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        self.exchanges += 1
        ends_at = float(assertion.split("@")[1])  # as the model has it: as long as what it was exchanged for
        return DownstreamToken(f"for {assertion}", ends_at + 60, ends_at + 60)


@dataclass
class Played:
    exchanges: int
    requests: int
    commands: int


def play(fleet: Fleet, *, shared: bool) -> Played:
    """The requests of the simulation, handled by real sessions."""
    clock = Clock()
    began, entra, store = clock.at, CountingEntra(clock), DictStore(clock)
    source: TokenSource = DistributedCache(AUTHORITY, entra, store, clock, clock.forward) if shared else entra
    instances = [
        Sessions(Validator(), EveryKeyIsGood(), TenantExchanges(lambda _: source), clock, int(fleet.sessions), 10**12)
        for _ in range(fleet.instances)
    ]
    counted: list[Request] = []
    before = 0, 0
    for request in requests(fleet, (WARM_UP + LIVES) * fleet.token_seconds, SEED):
        if request.at >= WARM_UP * fleet.token_seconds and not counted:
            before = entra.exchanges, store.commands.total()
        clock.at = began + request.at
        bearer = f"token {request.token} @{began + request.ends_at!r}"
        sessions = instances[request.instance]
        token = sessions.token_for(sessions.open(bearer), bearer, SCOPES, correlation_id="")
        assert token.token == f"for {bearer}"
        if request.at >= WARM_UP * fleet.token_seconds:
            counted.append(request)
    return Played(entra.exchanges - before[0], len(counted), store.commands.total() - before[1])


FLEETS: dict[str, Fleet] = {
    "roomy": Fleet(instances=4, callers=150, requests_per_second=1.5, sessions=1_000),
    "tight": Fleet(instances=4, callers=150, requests_per_second=1.5, sessions=30),
    "one instance": Fleet(instances=1, callers=150, requests_per_second=1.5, sessions=1_000),
}
each_fleet = pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())


@each_fleet
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with Redis"])
def test_real_sessions_exchange_as_often_as_the_model_says(fleet: Fleet, shared: bool) -> None:
    played, given = play(fleet, shared=shared), answer(fleet, FREE)
    level = given.shared if shared else given.alone
    hours = LIVES * fleet.token_seconds / HOUR

    assert level.exchanges_per_hour * hours == pytest.approx(played.exchanges, rel=0.05)
    assert level.waiting == pytest.approx(played.exchanges / played.requests, rel=0.05)


@each_fleet
def test_the_second_level_costs_the_commands_that_the_model_counts(fleet: Fleet) -> None:
    played, given = play(fleet, shared=True), answer(fleet, FREE)

    assert given.redis_commands_per_second * LIVES * fleet.token_seconds == pytest.approx(played.commands, rel=0.05)


@pytest.mark.parametrize("fleet", [FLEETS["roomy"], FLEETS["one instance"]], ids=["roomy", "one instance"])
def test_where_nothing_is_evicted_the_simulation_counts_exactly_what_real_sessions_do(fleet: Fleet) -> None:
    simulated = simulate(fleet, lives=LIVES, seed=SEED, warm_up=WARM_UP)

    assert play(fleet, shared=False).exchanges == simulated.alone
    with_redis = play(fleet, shared=True)
    assert with_redis.exchanges == simulated.shared
    assert with_redis.commands == simulated.shared * SHARED_NEW + simulated.found * SHARED_HIT
