"""Fixtures for the tests of infra/: one compiler for all, and the unchanged project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.infra.bicep import Compiler
from tests.infra.fixtures import compiled_project
from tests.infra.project import Project


@pytest.fixture(scope="session")
def project() -> Iterator[Project]:
    """infra/ and its related files, unchanged."""
    with compiled_project() as found:
        yield found


@pytest.fixture(scope="session")
def compiler(project: Project) -> Compiler:
    """The Bicep compiler of this machine."""
    return project.compiler
