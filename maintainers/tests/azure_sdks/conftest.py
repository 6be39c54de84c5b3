"""Skips these tests where the clients are not installed; in CI, which sets AZURE_SDKS_REQUIRED, that is a failure."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import RunningClock
from tests.support.lab import Lab, finish_background_work

from .page import Page
from .stack import started

PACKAGES = ("azure.storage.blob", "azure.search.documents", "azure.ai.projects", "msgraph", "mssql_python")
ROOT = Path(__file__).parents[3]
REASON = "not installed: {}; pip install --no-compile -r maintainers/requirements-azure-sdks.txt"


def missing() -> list[str]:
    """The packages of the clients that are not installed."""
    return [name for name in PACKAGES if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


@pytest.fixture(autouse=True, scope="session")
def _clients() -> None:
    lacking = missing()
    if lacking and os.environ.get("AZURE_SDKS_REQUIRED"):
        pytest.fail(REASON.format(", ".join(lacking)))
    if lacking:
        pytest.skip(REASON.format(", ".join(lacking)))


@pytest.fixture(scope="session")
def _azure(_clients: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Page]]:
    with pytest.MonkeyPatch.context() as patch, started(tmp_path_factory.mktemp("azure"), patch) as stack:
        lab = Lab(stack, RunningClock())
        with Page.read(ROOT / "docs" / "azure-sdks.md") as page:
            yield lab, page


@pytest.fixture
def lab(_azure: tuple[Lab, Page]) -> Iterator[Lab]:
    """The emulated tenant with the Azure services."""
    lab, page = _azure
    page.use(lab.environ())
    with lab.stack.directory.unchanged():
        yield lab
    finish_background_work()
    lab.stack.faults.clear()
    for service in lab.stack.azure.values():
        service.access.demands.clear()


@pytest.fixture
def page(lab: Lab, _azure: tuple[Lab, Page]) -> Page:
    """The functions of docs/azure-sdks.md, as an app that has just started."""
    return _azure[1]
