"""Which faults were on at what time. They may excuse a response."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

AFTERMATH = {
    "entra": 12.0,  # the circuit stays open for ten seconds
    "keys": 35.0,  # a fetch for an unknown key id waits for half a minute after the last
    "roll": 35.0,
    "credential": 45.0,  # so does a reload of the credential; and a circuit stands before the vault
    "graph": 3.0,  # Retry-After is at most two seconds
    "orders": 3.0,
    "challenge": 0.5,
    "consent": math.inf,
    "withdrawal": math.inf,
    "revocation": math.inf,
}
"""Seconds for which a trouble is still felt after it has ended."""


@dataclass(eq=False)
class Disturbance:
    """One trouble of a kind in AFTERMATH, for everybody or for the person of this name. Times as time.monotonic().

    `fact`: of a revocation, the time (seconds since 1970) before which what was issued is void; of a withdrawal, its
    key ids.
    """

    kind: str
    since: float
    until: float = math.inf
    person: str | None = None
    fact: object = None

    def revokes(self, issued: int) -> bool:
        """Whether it ended what was issued at that time (seconds since 1970)."""
        return self.kind == "revocation" and isinstance(self.fact, int) and issued < self.fact

    def withdraws(self, key_id: str) -> bool:
        """Whether it withdrew the signing key of this id."""
        return self.kind == "withdrawal" and isinstance(self.fact, frozenset) and key_id in self.fact

    def touches(self, start: float, end: float, person: str) -> bool:
        """Whether somebody who called between two moments may have felt it."""
        felt = self.since <= end and start <= self.until + AFTERMATH[self.kind]
        return felt and self.person in (None, person)


class History:
    """Every disturbance so far. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._all: list[Disturbance] = []
        self._lock = threading.Lock()

    def begin(self, kind: str, person: str | None = None, fact: object = None) -> Disturbance:
        """To be called before the trouble starts."""
        disturbance = Disturbance(kind, self._now(), person=person, fact=fact)
        with self._lock:
            self._all.append(disturbance)
        return disturbance

    def end(self, disturbance: Disturbance) -> None:
        """To be called once it is over."""
        disturbance.until = self._now()

    def during(self, start: float, end: float, person: str) -> list[Disturbance]:
        """What this person may have felt between two moments."""
        with self._lock:
            self._all = [d for d in self._all if d.until + AFTERMATH[d.kind] > self._now() - 300]
            return [disturbance for disturbance in self._all if disturbance.touches(start, end, person)]
