"""What a measurement can ask of a peer."""

from __future__ import annotations

import math

from ..outcome import Outcome
from ..tenant import Tenant, time_outs_in_force


class Peer:
    """One peer, created again for each failure. `time_out` replaces its own timeouts through one of its arguments."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        self.tenant, self.time_out = tenant, time_out
        self.paused = 0.0
        """Seconds it wanted to pause between attempts; a pause is noted, not slept, where the library lets us."""

    def close(self) -> None:
        """Frees what must be freed."""

    def nominal_time_out(self) -> float:
        """The timeout in force right now on what is waited for; infinite when there is none."""
        found = time_outs_in_force(self.tenant.stack.ports.gateway)
        return max((math.inf if seconds is None else seconds for seconds in found), default=math.inf)


class Validator(Peer):
    """Looks into the caller's token."""

    def validate(self, bearer: str) -> Outcome:
        """Succeeds when the token passes."""
        raise NotImplementedError

    def later(self, seconds: float) -> None:
        """Makes it believe that so much time has passed."""
        raise NotImplementedError

    def settle(self) -> None:
        """Waits for its background work, if it has any."""


class Exchanger(Peer):
    """Calls Graph on behalf of the caller."""

    def call(self, bearer: str) -> Outcome:
        """Succeeds when the call of Graph's /me does."""
        raise NotImplementedError

    def downstream_token(self, bearer: str) -> str:
        """The token it would call Graph with; empty when it gets none."""
        raise NotImplementedError
