"""The layer rule of shared/__init__.py, held against the imports of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = sorted(path for path in (ROOT / "shared").glob("*.py") if path.stem != "__init__")


def declared() -> dict[str, set[str]]:
    """The table in the docstring of shared: module → what it may import."""
    text = ast.get_docstring(ast.parse((ROOT / "shared/__init__.py").read_text(encoding="utf-8"))) or ""
    table: dict[str, set[str]] = {}
    unfolded = re.sub(r",\n +", ", ", text)
    for modules, allowed in re.findall(r"^ *([\w, ]+) ← ([\w, ]+)$", unfolded, re.MULTILINE):
        names = set() if allowed == "nothing of ours" else set(allowed.split(", "))
        table.update(dict.fromkeys(modules.split(", "), names))
    return table


def imports(path: Path) -> Iterator[str]:
    """Every imported module, wherever in the file: `.name` for those of the same package."""
    return imported(path.read_text(encoding="utf-8"))


def imported(source: str) -> Iterator[str]:
    """Every module that the source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level and node.module is None:
            yield from ("." * node.level + alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_a_module_of_shared_imports_only_what_the_table_allows(path: Path) -> None:
    ours = {name[1:] for name in imports(path) if name.startswith(".")}
    assert ours == declared()[path.stem]
    assert not any(name.split(".")[0] in ("shared", "emulators", "client", "tests") for name in imports(path))


def test_the_table_names_every_module_and_has_no_cycle() -> None:
    table = declared()
    assert set(table) == {path.stem for path in SHARED}
    settled: set[str] = set()
    while len(settled) < len(table):
        ready = {name for name, allowed in table.items() if name not in settled and allowed <= settled}
        assert ready, f"cycle among {sorted(set(table) - settled)}"
        settled |= ready


def test_azure_functions_and_the_environment_stay_where_they_belong() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in SHARED}
    with_functions = {path.stem for path in SHARED if any(name.startswith("azure.functions") for name in imports(path))}
    assert with_functions == {
        "azure_function",
        "declaration",
        "http_reply",
        "http_request",
        "requires_user",
        "sendable",
    }
    assert {name for name, source in sources.items() if re.search(r"\bos\.(environ|getenv)\b", source)} == {"services"}


@pytest.mark.parametrize("folder", ["emulators", "client"])
def test_emulators_and_client_share_no_code_with_what_they_check(folder: str) -> None:
    forbidden = {"shared", "function_app", "downstream_app", "emulators", "client"} - {folder}
    for path in (ROOT / folder).rglob("*.py"):
        allowed = {"client"} if path.is_relative_to(ROOT / "emulators/local") else set()  # it drives the client
        assert not {name.split(".")[0] for name in imports(path)} & (forbidden - allowed), path


@pytest.mark.parametrize("entry", [path.name for path in ROOT.glob("*_app.py")])
def test_an_entry_point_imports_only_what_shared_exports(entry: str) -> None:
    """Whatever else a person imports there is theirs to choose; modules of the workshop are not deployed."""
    assert breaches((ROOT / entry).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("line", "breach"),
    [
        ("import azure.functions as func", None),
        ("from shared import User", None),
        ("from people_blueprint import people", None),
        ("import pandas", None),
        ("import client_for_stock", None),
        ("from shared.settings import Settings", "shared.settings"),
        ("import shared.sessions", "shared.sessions"),
        ("from emulators.people import PEOPLE", "emulators.people"),
        ("import tests.support.tokens", "tests.support.tokens"),
    ],
)
def test_the_rule_for_entry_points_leaves_a_persons_own_imports_alone(line: str, breach: str | None) -> None:
    assert breaches(line) == ({breach} if breach else set())


def breaches(source: str) -> set[str]:
    """Imports of the inside of shared, and of what is not deployed."""
    workshop = {"dev", "emulators", "maintainers", "tests"}
    return {name for name in imported(source) if name.startswith("shared.") or name.split(".")[0] in workshop}


def test_no_module_outgrows_its_job() -> None:
    assert {
        path.name: lines for path in SHARED if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 170
    } == {}


def test_there_is_no_pyproject_at_the_root() -> None:
    """With one, azd would run `pip install .` and deploy the wrong thing."""
    assert not (ROOT / "pyproject.toml").exists()
