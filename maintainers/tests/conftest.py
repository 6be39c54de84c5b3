"""The fixtures that the tests share, and the watch over what is logged."""

from __future__ import annotations

import pytest

from tests.support.leaks import LeakWatch

pytest_plugins = ["tests.support.fixtures", "tests.support.tenant"]


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaks(leak_watch: LeakWatch) -> None:
    """Every log line of these tests is scanned for tokens, secrets and claim values."""
