"""requirements-run.txt has all that the local stack imports. `run` needs no package that only the tests install."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from maintainers.tests.dev.project import ROOT

FOLDERS = ("emulators", "client", "doctor", "infra/hooks", "shared")
BY_NAME = {"multipart": "python-multipart", "azure_functions_runtime": "azure-functions-runtime"}
"""What is imported by name alone: starlette reads forms with the one, the worker engine finds the other."""


def imported(folder: str) -> Iterator[str]:
    """The full names of the modules that a folder imports, wherever in a file."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def third_party(folder: str) -> set[str]:
    """Those of them that neither Python nor the project has."""
    own = {path.stem for path in (*ROOT.iterdir(), *(ROOT / "infra/hooks").iterdir())}
    return {name for name in imported(folder) if name.split(".")[0] not in sys.stdlib_module_names | own}


def required(file: Path) -> Iterator[Requirement]:
    """The lines of a requirements file and of those that it includes, as far as they are for this Python."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.split(" #")[0].strip()
        if text.startswith("-r "):
            yield from required(file.parent / text.removeprefix("-r "))
        elif text and not text.startswith("#"):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def installed_by(file: Path) -> set[str]:
    """The names of the distributions that pip installs for it."""
    waiting, found = list(required(file)), set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonical(requirement.name)
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or ())
            waiting += [each for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def provider(module: str) -> set[str]:
    """The distributions that have this module; of `azure`, which many share, the one with the file itself."""
    candidates = metadata.packages_distributions().get(module.split(".")[0], [])
    path = module.replace(".", "/")
    ends = (f"{path}.py", f"{path}/__init__.py")
    having = {name for name in candidates if any(str(file) in ends for file in metadata.files(name) or ())}
    return {canonical(name) for name in having or candidates}


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_that_is_imported_at_run_time_is_installed_for_run(folder: str) -> None:
    installed = installed_by(ROOT / "requirements-run.txt")

    missing = {name for name in third_party(folder) if not provider(name) & installed}

    assert missing == set()


@pytest.mark.parametrize(("module", "distribution"), BY_NAME.items())
def test_what_is_imported_by_name_alone_is_there_too(module: str, distribution: str) -> None:
    names = {canonical(requirement.name) for requirement in required(ROOT / "requirements-run.txt")}
    names |= {distribution} if sys.version_info < (3, 13) and module == "azure_functions_runtime" else set()

    assert distribution in names


def test_the_tests_tools_are_not_installed_for_run() -> None:
    installed = installed_by(ROOT / "requirements-run.txt")

    assert installed >= {"starlette", "uvicorn", "msal", "azure-functions"}
    assert not installed & {"pytest", "hypothesis", "mypy", "ruff", "jsonschema", "pathspec"}
