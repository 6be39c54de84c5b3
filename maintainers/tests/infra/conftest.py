"""The compiler and the project, as in tests/infra."""

from tests.infra.conftest import compiler, project

__all__ = ["compiler", "project"]
