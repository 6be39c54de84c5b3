"""The project with a running compiler, for fixtures. Without a compiler, tests that ask for it are skipped by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.infra.bicep import MISSING, BicepError, Compiler, find
from tests.infra.project import ROOT, Project


@contextmanager
def compiled_project() -> Iterator[Project]:
    """infra/ and what goes with it, as it is."""
    command = find()
    if command is None:
        pytest.skip(MISSING)
    try:
        compiler = Compiler(command)
    except BicepError as error:
        pytest.skip(str(error))
    try:
        yield Project(ROOT, compiler)
    finally:
        compiler.close()
