"""The layer rule: which package of shared/ may import from which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared"
MODULES = sorted(path for path in SHARED.rglob("*.py") if path != SHARED / "__init__.py")

# The layer rule. A package or module imports only from the lines above its own.
LAYERS = [
    "errors net",
    "settings telemetry",
    "validation exchange preload",
    "redis sessions",
    "downstream app_tokens",
    "user",
    "application",
    "hosting services",
    "requires_user mcp",
]


def layer_of(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names.split())


def imports(path: Path) -> Iterator[str]:
    return imported(path.read_text(encoding="utf-8"))


def imported(source: str) -> Iterator[str]:
    """Every module that the source imports, wherever it stands, with the dots of a relative import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level and node.module is None:
            yield from ("." * node.level + alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SHARED).as_posix())
def test_a_module_of_shared_imports_only_from_the_layers_below_it(path: Path) -> None:
    parts = path.relative_to(SHARED).with_suffix("").parts
    outside = "." * len(parts)  # what a relative import of another package begins with
    foreign = {name.removeprefix(outside) for name in imports(path) if name.startswith(outside)}
    assert {name for name in foreign if layer_of(name.split(".")[0]) >= layer_of(parts[0])} == set()
    assert not any(name.split(".")[0] in ("shared", "emulators", "client", "doctor", "tests") for name in imports(path))


def test_azure_functions_and_the_environment_stay_where_they_belong() -> None:
    users = {path for path in MODULES if any(name.startswith("azure.functions") for name in imports(path))}
    assert {path.relative_to(SHARED).parts[0] for path in users} <= {"hosting", "mcp", "requires_user.py"}
    readers = {path for path in MODULES if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))}
    assert readers <= {SHARED / "services.py"}


@pytest.mark.parametrize("folder", ["emulators", "client", "doctor"])
def test_emulators_and_client_share_no_code_with_what_they_check(folder: str) -> None:
    forbidden = {"shared", "function_app", "downstream_app", "emulators", "client", "doctor"} - {folder}
    may = {
        ROOT / "emulators/local": {"client"},  # it drives the client
        ROOT / "doctor": {"client"},  # its files of settings, its bounded session
        ROOT / "doctor/accepted.py": {"client", "shared"},  # a program of its own, which asks the code
    }
    for path in (ROOT / folder).rglob("*.py"):
        allowed = set().union(*(names for place, names in may.items() if path.is_relative_to(place)))
        assert not {name.split(".")[0] for name in imports(path)} & (forbidden - allowed), path


@pytest.mark.parametrize("entry", [path.name for path in ROOT.glob("*_app.py")])
def test_an_entry_point_imports_only_what_shared_exports(entry: str) -> None:
    """A person may import anything else there. Modules for development are not deployed."""
    assert breaches((ROOT / entry).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("line", "breach"),
    [
        ("import azure.functions as func", None),
        ("from shared import User", None),
        ("from people_blueprint import people", None),
        ("import pandas", None),
        ("import client_for_stock", None),
        ("from shared.settings.settings import Settings", "shared.settings.settings"),
        ("import shared.exchange.credential", "shared.exchange.credential"),
        ("from emulators.people import PEOPLE", "emulators.people"),
        ("import tests.support.tokens", "tests.support.tokens"),
    ],
)
def test_the_rule_for_entry_points_leaves_a_persons_own_imports_alone(line: str, breach: str | None) -> None:
    assert breaches(line) == ({breach} if breach else set())


def breaches(source: str) -> set[str]:
    """Imports of the inside of shared, and of what is not deployed."""
    workshop = {"dev", "doctor", "emulators", "maintainers", "tests"}
    return {name for name in imported(source) if name.startswith("shared.") or name.split(".")[0] in workshop}


def test_there_is_no_pyproject_at_the_root() -> None:
    """With one, azd would run `pip install .` and deploy the wrong thing."""
    assert not (ROOT / "pyproject.toml").exists()
