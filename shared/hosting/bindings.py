"""Finds parameters to which Azure Functions passes nothing, such as one with the name of a part of the route.

The bindings of a function are unknown while the guard runs, because the decorators above it run later. So they are
read from the source. Where that leaves a doubt, nothing is reported: Azure Functions has its own check.

This module is imported only for functions with more parameters than the request, the context and the user.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#customize-the-http-endpoint
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_IN_ROUTE = re.compile(r"\{\*?(\w+)")
_GUARD = re.compile(r"requires_\w+")


def problem_of_unbound(function: Callable[..., Any], names: Iterable[str]) -> str:
    """What is wrong with the first parameter that gets no argument, and what to write. "" if all may get one.

    Args:
        names: parameters of the function, other than `user` and `context`.
    """
    decorators = list(_decorators(function))
    if not any(_is_route(call) for call in decorators) or any(_is_unclear(call) for call in decorators):
        return ""
    request, bound = "req", set[str]()
    for call in decorators:
        for keyword in call.keywords:
            if keyword.arg == "trigger_arg_name" and isinstance(keyword.value, ast.Constant):
                request = str(keyword.value.value)
        bound |= _texts(call)
    parts = {
        part for call in decorators if _is_route(call) for text in _texts(call) for part in _IN_ROUTE.findall(text)
    }
    for name in names:
        if name == request or name in bound:
            continue
        if name in parts:
            return (
                f'{name} is a part of the route and no argument; remove it, and write {request}.route_params["{name}"]'
            )
        if request not in inspect.signature(function).parameters:
            return f'the request arrives as {request}; rename {name}, or write @app.route(trigger_arg_name="{name}")'
        part, value = f'{request}.route_params["{name}"]', f'{request}.params["{name}"]'
        return (
            f"Azure Functions passes no argument {name}; remove it, and write {part} for a part of the route, "
            f"or {value} for one of the query"
        )
    return ""


def _decorators(function: Callable[..., Any]) -> Iterator[ast.Call]:
    """The decorators in the source, without the guard. One that is no call of a method is shown as `unclear()`."""
    try:
        definition = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):  # such as code that no file has
        return
    for decorator in getattr(definition, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Name) and _GUARD.fullmatch(called.id):
            continue
        is_binding = isinstance(decorator, ast.Call) and isinstance(called, ast.Attribute)
        yield decorator if is_binding else ast.Call(ast.Name("unclear"), [], [])


def _is_route(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "route"


def _is_unclear(call: ast.Call) -> bool:
    """Whether this decorator may bind a parameter whose name the source does not show."""
    if not isinstance(call.func, ast.Attribute):
        return True
    named = [each.value for each in call.keywords if each.arg is None or each.arg.endswith("_name")]
    first = [] if _is_route(call) else call.args[:1]  # of a binding it is the name
    spread = [value for value in call.args if isinstance(value, ast.Starred)]
    return any(not isinstance(value, ast.Constant) for value in (*named, *first, *spread))


def _texts(call: ast.Call) -> set[str]:
    """The texts among the arguments of a decorator."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}
