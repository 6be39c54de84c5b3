"""Counts the modules of shared/ that one request enters, and their imports: `python -m maintainers.structure`.

A module counts as entered when one of its functions runs, in the request's own thread or in one that it starts.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import azure.functions as func

from emulators.stack import Stack
from shared import User
from shared.requires_user import RequiresUser
from shared.services import LazyServices

ROOT = Path(__file__).parents[1]
SHARED = ROOT / "shared"
Imports = Mapping[str, frozenset[str]]


def entered_by(work: Callable[[], object]) -> list[str]:
    """The modules of shared/ of which a function runs while this work is done."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(str(SHARED)):
            entered.add(Path(code.co_filename).relative_to(SHARED).with_suffix("").as_posix())

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
        _finish_background_work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sorted(entered)


def requests() -> Iterator[tuple[str, Callable[[], object]]]:
    """Three requests to a function that calls Graph, in the order in which an instance gets them."""
    with tempfile.TemporaryDirectory() as folder, Stack.start(Path(folder)) as stack:
        os.environ.update(stack.environ("api"))
        provider = LazyServices(stack.environ("api"))

        @RequiresUser(provider)(scopes=["access_as_user"])
        def me(req: func.HttpRequest, user: User) -> object:
            return user.api("Graph").get("/me").json()

        def call(bearer: str) -> None:
            headers = {"Authorization": f"Bearer {bearer}"}
            response = me(req=func.HttpRequest("GET", "https://localhost/api/me", headers=headers, body=b""))
            if response.status_code != 200:
                raise SystemExit(f"the request got {response.status_code}: {response.get_body()!r}")

        _finish_background_work()
        first, second = stack.issue_access_token("alice"), stack.issue_access_token("olga")
        yield "first of an instance", lambda: call(first)
        yield "new token", lambda: call(second)
        yield "known token", lambda: call(second)


def imports() -> Imports:
    """Module → the modules of shared/ that it imports, lazily or for types as well; packages count as modules."""
    found = {}
    for path in sorted(SHARED.rglob("*.py")):
        package = path.relative_to(SHARED).parent.parts
        names = {
            name for node in _executed(ast.parse(path.read_text(encoding="utf-8"))) for name in _named(node, package)
        }
        found[_name(path.relative_to(SHARED).with_suffix("").parts)] = frozenset(names)
    return found


def rooms(modules: Imports) -> Imports:
    """The same between rooms: the packages of shared/, and its single modules."""
    merged: dict[str, set[str]] = {}
    for module, imported in modules.items():
        if module:  # shared/__init__.py, which only exports
            merged.setdefault(_room(module), set()).update(_room(name) for name in imported)
    return {room: frozenset(imported - {room}) for room, imported in merged.items()}


def longest_chain(graph: Imports) -> list[str]:
    """The longest way along imports, without packages that are entered only to be left again."""

    @cache
    def below(name: str) -> tuple[str, ...]:
        ways = [below(imported) for imported in sorted(graph.get(name, frozenset()))]
        return (name, *(max(ways, key=len) if ways else ()))

    ways = [below(name) for name in sorted(graph)]
    longest = max(ways, key=len)
    return list(longest)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, without those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _executed(node)


def _named(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return
    base = package[: len(package) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
    for alias in node.names:
        inner = SHARED.joinpath(*base, alias.name)
        is_module = inner.with_suffix(".py").exists() or inner.is_dir()
        yield _name((*base, alias.name) if is_module else _home_of(alias.name, base))


def _home_of(name: str, package: tuple[str, ...]) -> tuple[str, ...]:
    """The module from which a package has a name that it exports."""
    source = SHARED.joinpath(*package, "__init__.py")
    if not source.exists():
        return package
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return (*package, *node.module.split("."))
    return package


def _name(parts: tuple[str, ...]) -> str:
    return "/".join(part for part in parts if part != "__init__")


def _room(module: str) -> str:
    return module.partition("/")[0]


def _finish_background_work() -> None:
    while any(t.name.startswith("background ") for t in threading.enumerate()):
        time.sleep(0.01)


def main() -> None:
    modules = imports()
    inner = {name: imported for name, imported in modules.items() if (SHARED / f"{name}.py").exists()}
    figures: dict[str, Any] = {"modules": len(inner), "rooms": len(rooms(modules))}
    for kind, work in requests():
        entered = entered_by(work)
        figures[kind] = {"modules entered": len(entered), "which": entered}
    figures["chain of rooms"] = longest_chain(rooms(modules))
    figures["chain of modules"] = longest_chain(inner)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
