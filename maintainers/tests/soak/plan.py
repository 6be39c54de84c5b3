"""A random plan, the same for the same seed. Only its timing depends on the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

HOT = (0, 1, 2, 3, 12, 13, 17, 19)
"""These people make half of all calls: their tokens arrive in many threads at once."""

SLOTS = ("first", "second", "mfa")
BAD_TOKENS = ("expired", "another API's", "an ID token", "app-only", "tampered", "none")

_CALLS = (("GET", "/api/me"), ("GET", "/api/me"), ("GET", "/api/me"), ("GET", "/api/orders"), ("POST", "/api/orders"))
_STATUSES: tuple[Mapping[str, Any], ...] = (
    {"status": 500},
    {"status": 503},
    {"status": 503, "headers": {"Retry-After": "1"}},
    {"status": 429},
    {"status": 429, "headers": {"Retry-After": "2"}},
    {"status": 200, "body": "<html>Who are you?</html>"},
    {"status": 200, "body": ""},
    {"status": 302, "headers": {"Location": "https://graph.microsoft.com/v1.0/elsewhere"}},
    {"delay": 0.2},
)
_WIRE = ("reset-before", "reset", "garbage", "hang", "drip-body", "refused", "tls")
_WHOLE_HOST = ("refused", "tls")
_DOWNSTREAM = ("graph", "orders")
_ENTRA = ("entra.token", "entra.token", "entra.keys", "entra.discovery")
_CREDENTIAL = ("identity", "vault")
_FIRST = {"rotate": 0.5, "entra": 2.0, "roll": 35.0, "rotate in the dark": 50.0, "withdraw": 80.0}
_APART = {"rotate": 100.0, "entra": 25.0, "roll": 90.0, "rotate in the dark": 100.0, "withdraw": 90.0}
"""Planned seconds between two of them: cooldowns last for half a minute, an open circuit for ten seconds."""
_FOR_A_WHILE = ("challenge", "rotate in the dark")


@dataclass(frozen=True)
class Step:
    """One call. `bad` names a token that must not pass; `renew`: the person gets a new token first."""

    person: int
    slot: str
    method: str
    path: str
    bad: str = ""
    renew: bool = False


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong, or changes, after a pause; it lasts for `hold` seconds if it can be undone."""

    kind: str
    pause: float
    hold: float = 0.0
    target: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    person: int | None = None


def steps(seed: int, thread: int, people: int) -> Iterator[Step]:
    """The calls of one thread, without end."""
    chance = Random(f"{seed} calls {thread}")  # noqa: S311 — a plan, not a secret
    while True:
        number = chance.choice(HOT) if chance.random() < 0.5 else chance.randrange(people)
        method, path = chance.choice(_CALLS)
        bad = chance.choice(BAD_TOKENS) if chance.random() < 0.08 else ""
        yield Step(number, chance.choice(SLOTS), method, path, bad, renew=chance.random() < 0.04)


def faults(seed: int, thread: int, people: int) -> Iterator[Trouble]:
    """The faults of the downstream APIs that one thread switches on and off, without end."""
    chance = Random(f"{seed} faults {thread}")  # noqa: S311 — as above
    while True:
        yield _fault(chance, chance.choice(_DOWNSTREAM), people)


def changes(seed: int, people: int) -> Iterator[Trouble]:
    """What else happens to a tenant: keys, certificates, consents, challenges, revocations, Entra's own troubles."""
    chance = Random(f"{seed} changes")  # noqa: S311 — as above
    now, due = 0.0, dict(_FIRST)
    while True:
        kind = chance.choice(("challenge", "challenge", "consent", "withdraw consent", "revoke", "credential"))
        for rare, at in due.items():
            kind = rare if now >= at else kind
        if kind in due:
            due[kind] = now + _APART[kind]
        trouble = _change(chance, kind, people)
        now += trouble.pause + trouble.hold
        yield trouble


def _change(chance: Random, kind: str, people: int) -> Trouble:
    if kind == "entra":
        return _fault(chance, chance.choice(_ENTRA), people)
    pause, hold = chance.uniform(0.1, 0.8), chance.uniform(0.2, 1.5)
    if kind == "credential":
        return Trouble("fault", pause, hold, chance.choice(_CREDENTIAL), dict(chance.choice(_STATUSES[:4])))
    return Trouble(kind, pause, hold if kind in _FOR_A_WHILE else 0.0, person=chance.randrange(people))


def _fault(chance: Random, target: str, people: int) -> Trouble:
    pause, hold = chance.uniform(0.1, 1.5), chance.uniform(0.1, 1.2)
    options = dict(chance.choice(_STATUSES)) if chance.random() < 0.6 else {"network": chance.choice(_WIRE)}
    person = chance.randrange(people) if chance.random() < 0.3 else None
    for_all = options.get("network") in _WHOLE_HOST or target in ("entra.keys", "entra.discovery")
    return Trouble("fault", pause, hold, target, options, None if for_all else person)
