"""What is asked of the model: a fleet, its callers and their tokens."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Group:
    """A part of the callers that makes its own part of the requests; both as shares of all."""

    callers: float
    requests: float


EQUAL = (Group(1.0, 1.0),)
EIGHTY_TWENTY = (Group(0.2, 0.8), Group(0.8, 0.2))


@dataclass(frozen=True)
class Fleet:
    """Requests come at random (Poisson), and each to any instance: a load balancer that knows no sessions."""

    instances: int = 10
    callers: int = 10_000
    requests_per_second: float = 500.0  # of the whole fleet
    token_seconds: float = 75 * MINUTE
    sessions: float = 10_000  # that the first level of one instance may hold: TokenCache__MaxSessions …
    megabytes: float = 64  # … and TokenCache__MaxMegabytes
    scope_sets: int = 1  # that every caller needs exchanges for
    groups: tuple[Group, ...] = EIGHTY_TWENTY

    def rate(self, group: Group) -> float:
        """Requests per second of one caller of this group."""
        return self.requests_per_second * group.requests / (self.callers * group.callers)

    def new_tokens_per_second(self, group: Group) -> float:
        """A caller gets a new token with the first request after the last one ended."""
        return self.callers * group.callers / (self.token_seconds + 1 / self.rate(group))

    def scaled(self, factor: float) -> Fleet:
        """A smaller fleet of the same shape: each caller and each instance sees the same of the others."""
        return Fleet(
            self.instances,
            max(1, round(self.callers * factor)),
            self.requests_per_second * factor,
            self.token_seconds,
            self.sessions * factor,
            self.megabytes * factor,
            self.scope_sets,
            self.groups,
        )
