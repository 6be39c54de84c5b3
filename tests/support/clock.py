"""Clocks that a test moves."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest


class Clock:
    """Stands still until it is moved."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


class RunningClock(Clock):
    """The real time plus what it was moved by: for servers that must not see time stand still."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def __call__(self) -> float:
        return time.time() + self.at


def date_client_assertions(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """MSAL dates its client assertions by `time.time`. Here it uses the clock of the emulated Entra."""
    monkeypatch.setattr("msal.oauth2cli.assertion.time", SimpleNamespace(time=clock))
