"""One copy of the project for all these tests, and one stack for those that only use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maintainers.tests.dev.project import Project, Serving


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Nothing serves from this one when a test begins."""
    return Project.copy(tmp_path_factory.mktemp("project") / "copy")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A running stack, in a folder with a space in its name."""
    folder: Path = tmp_path_factory.mktemp("running") / "a copy"
    with Project.copy(folder).serving("run", "--port", "0") as serving:
        yield serving
