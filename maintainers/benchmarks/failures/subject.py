"""What a measurement is given: the tenant, and one kind of peer to make instances of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .tenant import Tenant


class Subject:
    """Makes instances of one peer and closes them when the measurement is over."""

    def __init__(self, tenant: Tenant, kind: Callable[..., Any]) -> None:
        self.tenant, self._kind = tenant, kind
        self._made: list[Any] = []

    def fresh(self, time_out: float | None = None) -> Any:
        """A new Validator or Exchanger that has seen nothing yet, with its own timeouts or so many seconds."""
        peer = self._kind(self.tenant, time_out)
        self._made.append(peer)
        return peer

    def close(self) -> None:
        """The measurement is over."""
        for peer in self._made:
            peer.close()
        self._made.clear()
        self.tenant.reset()


def wait_in_words(time_out: float, attempts: int, paused: float = 0.0) -> str:
    """How long somebody waits at the most when every attempt ends in a timeout."""
    if math.isinf(time_out):
        return "forever: no timeout"
    each = math.ceil(time_out - 0.01)
    pauses = f", and pauses of {paused:.0f} s" if paused >= 1 else ""
    return f"{each} s{pauses}" if attempts == 1 else f"{attempts} attempts of {each} s{pauses}"


def tried_in_words(attempts: int, paused: float) -> str:
    """How often something was tried, and the pauses in between if they are worth a word."""
    tries = f"{attempts} attempt{'s' if attempts != 1 else ''}"
    return f"{tries}, pauses of {paused:.0f} s" if paused >= 1 else tries
