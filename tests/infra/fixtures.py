"""The project with a running compiler, for fixtures. Without a compiler, tests that ask for it are skipped by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.infra.bicep import MISSING, BicepError, Compiler, find
from tests.infra.project import MAIN, ROOT, Project
from tests.infra.rules.configuration import GRAPH


@contextmanager
def compiled_project() -> Iterator[Project]:
    """infra/ and its related files, unchanged."""
    command = find()
    if command is None:
        pytest.skip(MISSING)
    try:
        compiler = Compiler(command)
    except BicepError as error:
        pytest.skip(str(error))
    try:
        unrestored = [
            each for each in compiler.diagnostics(ROOT / MAIN) if each.code == "BCP192" and GRAPH in each.message
        ]
        if unrestored:
            pytest.skip("Bicep lacks the Graph types and cannot download them: type `bicep restore infra/main.bicep`")
        yield Project(ROOT, compiler)
    finally:
        compiler.close()
