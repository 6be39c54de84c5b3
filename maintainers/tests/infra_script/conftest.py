"""The two programs the script is run with; what this machine lacks is named in the reason of a skip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from emulators.stack import Stack
from tests.support.clock import RunningClock

from .script import Az, missing_tools


@pytest.fixture(scope="package")
def clock() -> RunningClock:
    """The vault's clock. The script's own is the machine's."""
    return RunningClock()


@pytest.fixture(scope="package", params=["stand-in", "az"])
def program(request: pytest.FixtureRequest) -> str:
    """The stand-in, then the Azure CLI itself."""
    if lacking := missing_tools():
        pytest.skip(f"{lacking} is not here")
    if request.param == "az" and shutil.which("az") is None:
        pytest.skip("az, the Azure CLI, is not on the PATH")
    return str(request.param)


@pytest.fixture(scope="package")
def stack(program: str, tmp_path_factory: pytest.TempPathFactory, clock: RunningClock) -> Iterator[Stack]:
    """One tenant for each program; each test has certificates of its own in its vault."""
    with Stack.start(tmp_path_factory.mktemp("tenant"), now=clock) as running:
        yield running


@pytest.fixture(scope="package")
def az(program: str, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """That program, signed in to that tenant."""
    return Az(stack, tmp_path_factory.mktemp(program), program == "az")
