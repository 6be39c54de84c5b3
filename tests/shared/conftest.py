"""The tests of shared/ may log no token, secret or claim value."""

from __future__ import annotations

import pytest

from tests.support.leaks import LeakWatch


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaks(leak_watch: LeakWatch) -> None:
    """Every log line of these tests is scanned for tokens, secrets and claim values."""
