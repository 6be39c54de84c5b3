"""The fleet played event by event: a real least-recently-used cache for each instance, requests from a seed."""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from .fleet import Fleet


@dataclass(frozen=True)
class Request:
    """One request: when, whose, with which of all tokens, to which instance."""

    at: float
    token: int
    ends_at: float
    instance: int


@dataclass
class Counted:
    """What a run saw after the caches had filled; `alone` and `shared` are exchanges for one scope set."""

    requests: int = 0
    tokens: int = 0
    alone: int = 0
    shared: int = 0
    found: int = 0  # in Redis


def requests(fleet: Fleet, seconds: float, seed: int, start: float = 0.0) -> Iterator[Request]:
    """Whatever comes in these seconds, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 — a model
    bounds, first = [], 0
    for group in fleet.groups:
        count = max(1, round(fleet.callers * group.callers))
        bounds.append((first, count))
        first += count
    weights = [group.requests for group in fleet.groups]
    tokens = first  # everybody has a token already, and each ends at a time of its own
    held = {caller: (caller, start + chance.random() * fleet.token_seconds) for caller in range(tokens)}
    at = start
    while (at := at + chance.expovariate(fleet.requests_per_second)) < start + seconds:
        lowest, count = bounds[0] if len(bounds) == 1 else chance.choices(bounds, weights)[0]
        caller = lowest + chance.randrange(count)
        token, ends_at = held[caller]
        if ends_at <= at:
            tokens += 1
            token, ends_at = held[caller] = tokens, at + fleet.token_seconds
        yield Request(at, token, ends_at, chance.randrange(fleet.instances))


def simulate(fleet: Fleet, *, lives: float, seed: int, warm_up: float = 2.0) -> Counted:
    """So many lives of a token after the warm-up."""
    counted, caches = Counted(), [_Cache(int(fleet.sessions)) for _ in range(fleet.instances)]
    exchanged: set[int] = set()
    for request in requests(fleet, (warm_up + lives) * fleet.token_seconds, seed):
        known, new = caches[request.instance].touch(request), request.token not in exchanged
        exchanged.add(request.token)
        if request.at >= warm_up * fleet.token_seconds:
            counted.requests += 1
            counted.tokens += new
            counted.alone += not known
            counted.shared += new
            counted.found += not known and not new
    return counted


class _Cache:
    """The sessions of one instance: so many at the most, and the least recently used go first."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, OrderedDict[int, None]()
        self._ends: list[tuple[float, int]] = []

    def touch(self, request: Request) -> bool:
        """Whether the session was there; it is now."""
        while self._ends and self._ends[0][0] <= request.at:
            self._held.pop(heapq.heappop(self._ends)[1], None)
        if request.token in self._held:
            self._held.move_to_end(request.token)
            return True
        self._held[request.token] = None
        heapq.heappush(self._ends, (request.ends_at, request.token))
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return False
