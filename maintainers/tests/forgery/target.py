"""The API as an unknown caller sees it: the real services with the emulated Entra, and the cost of each attempt."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import pytest

from shared.errors import ApiError
from shared.services import Services
from shared.sessions import Session
from shared.settings.settings import Settings
from shared.validation.signing_keys import COOLDOWN_SECONDS, MAX_AGE_SECONDS
from tests.support.clock import Clock
from tests.support.genuine import Genuine
from tests.support.lab import Lab


@dataclass(frozen=True)
class Cost:
    """What one try cost: requests to Entra by kind, the most memory at any moment in bytes, calls of functions."""

    fetches: tuple[str, ...]
    memory: int
    calls: int


class Target:
    """Services that know Entra's keys, at a moment when they may fetch them again."""

    def __init__(self, lab: Lab, **changes: str | None) -> None:
        """`changes` to the API's settings."""
        self._stack = lab.stack
        self.clock = Clock(lab.clock())
        self._opened_at = self.clock()
        self.services = Services(Settings.from_environ(lab.environ(**changes)), now=self.clock)
        token = lab.stack.issue_access_token("alice")
        self.services.sessions.open(token)
        self._sample = Genuine.taken_apart(token, lab.stack.entra.keys.current)
        first, second = self.genuine().token(), self.genuine().token()
        self.usual = Cost((), peak_memory(lambda: self.open(first)), count_calls(lambda: self.open(second)))

    @property
    def is_old(self) -> bool:
        """Whether the keys would soon be fetched again of themselves."""
        return self.clock() - self._opened_at > MAX_AGE_SECONDS - 10 * COOLDOWN_SECONDS

    def genuine(self) -> Genuine:
        """A genuine token of this moment, at which an unknown key id is good for a fetch."""
        self.clock.forward(COOLDOWN_SECONDS + 1)
        now = int(self.clock())
        times = {"iat": now - 300, "nbf": now - 300, "exp": now + 3600}
        return replace(self._sample, claims={**self._sample.claims, **times})

    def open(self, token: str) -> Session:
        return self.services.sessions.open(token)

    def refuse(self, token: str) -> ApiError:
        """The error with which the token is refused."""
        with pytest.raises(ApiError) as raised:
            self.open(token)
        return raised.value

    def measure(self, token: str) -> Cost:
        """What it costs to refuse this token."""
        mark = self._stack.audit.mark()
        memory = peak_memory(lambda: _judged(self.open, token))
        fetches = tuple(sorted(entry.action for entry in self._stack.audit.entries(mark)))
        return Cost(fetches, memory, count_calls(lambda: _judged(self.open, token)))


def _judged(open_session: Callable[[str], object], token: str) -> None:
    try:
        open_session(token)
    except ApiError:
        return


def peak_memory(call: Callable[[], object]) -> int:
    """How many bytes more there were, at the highest, while it ran."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


def count_calls(call: Callable[[], object]) -> int:
    """How many functions were called in this thread: the same on every machine, unlike seconds."""
    count = 0

    def profile(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count
