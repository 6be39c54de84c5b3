"""What the local host adds to the worker's words when an app cannot be indexed: where in the app, and what to do."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import IndexingError

_NOT_UNIQUE = re.compile(r"Function (\S+) does not have a unique function name")
_MISSING = re.compile(r"No module named '([\w.]+)'(?!; )")
_AZURE = re.compile(r"^\s*(?:from|import)\s+(azure(?:\.\w+)+)", re.MULTILINE)
_SHORT_NAMES = ("appconfiguration", "batch", "cosmos", "eventgrid", "eventhub", "identity", "servicebus")
"""The modules in `azure` whose package is named after them alone."""
_UNBOUND = re.compile(r"declared in Python but not in the function definition .*\{'(\w+)'", re.DOTALL)
_UNBOUND_USER = re.compile(r"declared in Python but not in the function definition .*\{[^}]*'user'", re.DOTALL)


def hint(layout: AppLayout, error: IndexingError) -> str:
    """Comes after the worker's message; empty when there is nothing to add."""
    duplicate = _NOT_UNIQUE.search(str(error))
    if duplicate:
        places = [f"{path}, line {line}" for path, line in sorted(_places_of(duplicate[1], layout.root))]
        return f" ({duplicate[1]} is declared in {' and in '.join(places)})" if places else ""
    if _UNBOUND_USER.search(str(error)):
        return " (is @requires_user missing below @app.route?)"
    unbound = _UNBOUND.search(str(error))
    if unbound:
        name = unbound[1]
        return f' (a part of the route or the query is no argument: req.route_params["{name}"] or req.params["{name}"])'
    return _line_of(layout, error) + _package_of(error)


def _package_of(error: IndexingError) -> str:
    """Which package a missing module is from, and where to write that; empty for another error."""
    missing = _MISSING.search(str(error))
    if not missing:
        return ""
    module, file = missing[1], f"{missing[1].partition('.')[0]}.py"
    imported = _AZURE.findall(error.stack_trace)  # the error says `azure.storage`, the line of the app the rest
    if not module.startswith("azure.") or not imported or not f"{imported[-1]}.".startswith(f"{module}."):
        return f"; add the package that has {module} to requirements.txt, or {file} to the project"
    parts = imported[-1].split(".")
    return f"; add {'-'.join(parts[: 2 if parts[1] in _SHORT_NAMES else 3])} to requirements.txt"


def _line_of(layout: AppLayout, error: IndexingError) -> str:
    """The line of the script that failed, as a SyntaxError's message has it already; empty when none did.

    Of the app's script alone: azure-functions has a function_app.py, too.
    """
    script = re.escape(str(layout.root / layout.script))
    lines = re.findall(rf'"{script}", line (\d+)', error.stack_trace)
    return f" ({layout.script}, line {lines[-1]})" if lines and ", line " not in str(error) else ""


def _places_of(name: str, root: Path) -> Iterator[tuple[str, int]]:
    """File and line of every function of this name, in the modules of the app that are imported."""
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "/")
        if path.suffix == ".py" and path.is_relative_to(root) and "site-packages" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _azure_name(node) == name:
                    yield path.relative_to(root).as_posix(), node.lineno


def _azure_name(function: ast.FunctionDef | ast.AsyncFunctionDef) -> object:
    """What `@app.function_name("…")` says, or else the name in Python; None for what no decorator registers."""
    calls = [decorator for decorator in function.decorator_list if isinstance(decorator, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "function_name":
            values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
            return values[0].value if values and isinstance(values[0], ast.Constant) else None
    return function.name if calls else None
