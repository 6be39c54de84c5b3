"""A shared tenant for tests that change nothing, and a new one for the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.stack import Stack

from .azure_support import TABLE
from .support import Clock, Http


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for every test that changes nothing in it."""
    with Stack.start(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def clock() -> Clock:
    """The clock of `stack`."""
    return Clock()


@pytest.fixture
def stack(tmp_path: Path, clock: Clock) -> Iterator[Stack]:
    """A stack of the test's own, with a clock the test can move."""
    with Stack.start(tmp_path, now=clock) as running:
        yield running


@pytest.fixture
def http(shared: Stack) -> Iterator[Http]:
    """The API's session with the shared stack."""
    caller = Http(shared)
    with caller.session:
        yield caller


@pytest.fixture
def own(stack: Stack) -> Iterator[Http]:
    """The API's session with the test's own stack."""
    caller = Http(stack)
    with caller.session:
        yield caller


@pytest.fixture(scope="session")
def shared_azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with the three Azure services, for every test that changes nothing in it."""
    with Stack.start(tmp_path_factory.mktemp("azure"), table=TABLE) as stack:
        yield stack


@pytest.fixture
def azure(shared_azure: Stack) -> Iterator[Http]:
    """The API's session with the shared stack that has Azure services."""
    caller = Http(shared_azure)
    with caller.session:
        yield caller


@pytest.fixture
def own_azure(tmp_path: Path, clock: Clock) -> Iterator[Http]:
    """The API's session with Azure services of the test's own."""
    with Stack.start(tmp_path, now=clock, table=TABLE) as stack:
        caller = Http(stack)
        with caller.session:
            yield caller
