"""The fleet in closed form.

An instance sees random requests with one token at a rate a, during the life of the token (T). A session ends with its
token, or when it was not used for the time (t) in which a full cache is replaced once. This time is nearly the same for
all sessions of a cache: H. Che, Y. Tung, Z. Wang, "Hierarchical Web caching systems: modeling, design and experimental
results", IEEE JSAC 20(7), 2002. It follows from the number of sessions that fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from .costs import Costs
from .fleet import HOUR, MINUTE, Fleet

SHARED_HIT, SHARED_NEW = 1, 3
"""Commands to the store: get; and get, get_or_lock, put for a token that nobody has exchanged yet."""
_STEPS = 80  # of a bisection: as exact as a float


@dataclass(frozen=True)
class Level:
    """The fleet without, or with, the second level."""

    exchanges_per_hour: float
    exchanges_per_token: float  # and scope set: what Entra sees of one and the same request
    waiting: float  # the share of requests that wait for an exchange
    after_restart: float  # exchanges in the first minute after all instances restarted
    cpu: float  # of one core of one instance, by this template alone


@dataclass(frozen=True)
class Answer:
    """What becomes of one fleet."""

    fleet: Fleet
    alone: Level
    shared: Level
    redis_commands_per_second: float
    redis_after_restart_per_second: float  # in the first minute
    redis_bytes: float
    sessions_held: float  # by one instance
    session_bytes: float  # by one instance


def answer(fleet: Fleet, costs: Costs) -> Answer:
    """All figures of one fleet."""
    each = costs.session_bytes + fleet.scope_sets * costs.token_bytes
    fleet = replace(fleet, sessions=min(fleet.sessions, fleet.megabytes * 1e6 / each))
    turnover = turnover_seconds(fleet)
    tokens = sum(fleet.new_tokens_per_second(group) for group in fleet.groups)
    misses = sum(fleet.new_tokens_per_second(g) * _misses(fleet, fleet.rate(g), turnover) for g in fleet.groups)
    restart = sum(
        fleet.callers * g.callers * fleet.instances * _first_misses(fleet.rate(g) / fleet.instances, MINUTE, turnover)
        for g in fleet.groups
    )
    new = tokens * MINUTE
    held = _held(fleet, turnover)
    return Answer(
        fleet=fleet,
        alone=_level(fleet, misses, misses, tokens, max(restart, new), costs),
        shared=_level(fleet, tokens, misses, tokens, new, costs),
        redis_commands_per_second=_commands(fleet, tokens, misses),
        redis_after_restart_per_second=_commands(fleet, tokens, max(restart, new) / MINUTE),
        redis_bytes=tokens * fleet.scope_sets * fleet.token_seconds * costs.entry_bytes,
        sessions_held=held,
        session_bytes=held * each,
    )


def turnover_seconds(fleet: Fleet) -> float:
    """For how long a session may lie unused before a full cache gives its place away; at most a token's life."""
    if _held(fleet, fleet.token_seconds) <= fleet.sessions:
        return fleet.token_seconds
    return _solved(lambda idle: _held(fleet, idle) < fleet.sessions, fleet.token_seconds)


def _level(fleet: Fleet, asked: float, misses: float, tokens: float, restart: float, costs: Costs) -> Level:
    """`asked`: sessions per second that Entra is asked for; `misses`: those that an instance does not hold."""
    sets, found = fleet.scope_sets, misses - asked
    per_second = fleet.requests_per_second * costs.known_seconds + misses * costs.validation_seconds
    shared = asked < misses
    exchange = costs.exchange_seconds + (costs.shared_new_seconds if shared else 0.0)
    per_second += sets * (asked * exchange + found * costs.shared_hit_seconds)
    return Level(
        exchanges_per_hour=asked * sets * HOUR,
        exchanges_per_token=asked / tokens,
        waiting=min(1.0, asked / fleet.requests_per_second),
        after_restart=restart * sets,
        cpu=per_second / fleet.instances,
    )


def _commands(fleet: Fleet, tokens: float, misses: float) -> float:
    return fleet.scope_sets * (tokens * SHARED_NEW + (misses - tokens) * SHARED_HIT)


def _misses(fleet: Fleet, rate: float, turnover: float) -> float:
    """How often, in its life, one token meets an instance without its session.

    Its first request is one of them; it hits one instance, where the next miss needs a pause as long as the turnover.
    """
    each = rate / fleet.instances
    there = 1 + each * (fleet.token_seconds - turnover) * math.exp(-each * turnover)
    return there + (fleet.instances - 1) * _first_misses(each, fleet.token_seconds, turnover)


def _first_misses(rate: float, seconds: float, turnover: float) -> float:
    """The same for an instance that holds nothing of the token when these seconds begin."""
    idle = min(turnover, seconds)
    return -math.expm1(-rate * idle) + rate * (seconds - idle) * math.exp(-rate * idle)


def _held(fleet: Fleet, turnover: float) -> float:
    """Sessions that one instance holds, on average, if unused ones go after `turnover` seconds."""
    life, held = fleet.token_seconds, 0.0
    for group in fleet.groups:
        rate = fleet.rate(group) / fleet.instances
        missing = -math.expm1(-rate * turnover) / rate  # the seconds of its life for which the session is absent …
        rest = (life - turnover) * math.exp(-rate * turnover)
        first = life - rest  # … where the first request went, and elsewhere
        other = life - missing - rest
        share = (first + (fleet.instances - 1) * other) / fleet.instances
        held += fleet.new_tokens_per_second(group) * share
    return held


def _solved(too_small: Callable[[float], bool], most: float) -> float:
    least = 0.0
    for _ in range(_STEPS):
        middle = (least + most) / 2
        least, most = (middle, most) if too_small(middle) else (least, middle)
    return least
