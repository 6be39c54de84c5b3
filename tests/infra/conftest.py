"""What the tests of infra/ share."""

from __future__ import annotations

import pytest

from tests.infra.project import Project


@pytest.fixture(scope="session")
def bicep_reader() -> None:
    """Skips, by name, where the reader cannot run."""
    for module in ("tree_sitter", "tree_sitter_bicep"):
        pytest.importorskip(module, reason=f"{module} has no wheel for this machine: the Bicep is not read")


@pytest.fixture(scope="session")
def project(bicep_reader: None) -> Project:
    """infra/ and what goes with it, as it is."""
    return Project.read()
