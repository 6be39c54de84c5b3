"""Import-time checks: a decorator refuses a function that Azure Functions cannot call, and says why.

Without these checks, Azure would index no function of the app and give no reason. Or the first request would fail.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import typing
from collections.abc import Callable
from typing import Any, NoReturn

from azure.functions.decorators.function_app import FunctionBuilder

from ..user import AsyncUser, CallingApp, User

Function = Callable[..., Any]
Parameter = inspect.Parameter

_APP = CallingApp.__name__
_CALLERS = frozenset({User.__name__, AsyncUser.__name__, _APP})
_EXAMPLES = {"user": "User", "app": "CallingApp", "caller": "User | CallingApp"}
_STREAMING = ("fastapi", "starlette")  # what azurefunctions-extensions-http-fastapi hands to functions
_WORDS = re.compile(r"\w+")


def is_async(function: Function) -> bool:
    """Whether a function is `async def`, or a wrapper around one. The result of such a wrapper must be awaited, too."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function))


def hints_of(function: Function) -> dict[str, Any]:
    """The types of the parameters, resolved in the function's module. Empty if a name exists only for type checkers."""
    try:
        return typing.get_type_hints(function)
    except (NameError, AttributeError, TypeError, SyntaxError):  # the worker asks for no types
        return {}


def check_declaration(function: object, caller: str) -> None:
    """Raises TypeError if the decorator cannot guard the function. The text names the function and what to do.

    `caller` is the parameter that the decorator is named after: `user` for `@requires_user`, `app` or `caller`.
    """
    decorator = f"@requires_{caller}"
    if isinstance(function, FunctionBuilder):
        _refuse(function, f"{decorator} goes directly above the function, below @app.route")
    if not inspect.isfunction(function):
        kind = type(function).__name__
        _refuse(function, f"{decorator} goes directly above a def or async def, not a {kind}: write one that calls it")
    if hasattr(function, "guarded_at"):
        _refuse(
            function,
            "it is guarded already; keep one decorator, with all its scopes. "
            "@requires_caller lets in users and applications",
        )
    if function.__name__ == "<lambda>":
        _refuse(function, f"{decorator} needs a function with a name; write def instead of lambda")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        _refuse(function, "a function with yield cannot be sent as a response; return the whole result")
    _check_parameters(function, caller)
    _check_types(function, caller)
    _check_name(function)


def place_of(function: Function) -> str:
    """File and line of a function, as an error message shows them."""
    code = getattr(inspect.unwrap(function), "__code__", None) or function.__code__
    return f"{os.path.basename(code.co_filename)}, line {code.co_firstlineno}"


def _check_parameters(function: Function, caller: str) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name in ("self", "cls"):
        _refuse(function, "Azure Functions calls no methods; move it out of the class, or write a def that calls it")
    if any(p.kind is Parameter.POSITIONAL_ONLY for p in parameters):
        _refuse(function, "Azure Functions passes arguments by name; remove the / from its parameters")
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    if not any(p.kind in named and p.name not in (caller, "context") for p in parameters):
        _refuse(
            function,
            f"it has no parameter for the request; write (req: func.HttpRequest, {caller}: {_EXAMPLES[caller]}). "
            f"A decorator between it and @requires_{caller} needs functools.wraps",
        )
    names = [p.name for p in parameters if p.kind in named and p.name not in (caller, "context")]
    if names != ["req"]:
        from .bindings import problem_of_unbound

        problem = problem_of_unbound(function, names)
        if problem:
            _refuse(function, problem)


def _check_types(function: Function, caller: str) -> None:
    hints = hints_of(function)
    if any(_is_streaming(hint) for hint in hints.values()) or _streaming_is_on():
        _refuse(
            function,
            f"@requires_{caller} does not support HTTP streaming; take func.HttpRequest, and leave out "
            "azurefunctions-extensions-http-fastapi, which changes every function of an app",
        )
    kind, user = ("async def", AsyncUser.__name__) if is_async(function) else ("def", User.__name__)
    wanted = {"user": (user,), "app": (_APP,), "caller": (user, _APP)}[caller]
    for name, parameter in inspect.signature(function).parameters.items():
        words = _words_of(hints.get(name, parameter.annotation)).intersection(_CALLERS)
        if words and name != caller and name in _EXAMPLES:
            _refuse(function, f"@requires_{caller} passes {caller}; rename the parameter {name}")
        if words and name == caller and not words.issuperset(wanted):
            article = "an" if wanted[0] == AsyncUser.__name__ else "a"
            types = " or a ".join(wanted)
            _refuse(function, f"a function with {kind} gets {article} {types}; annotate {caller}: {' | '.join(wanted)}")


def _words_of(annotation: Any) -> set[str]:
    """The names in an annotation: of a type, of the members of a union, or in an unresolved string."""
    if isinstance(annotation, type):
        return {annotation.__name__}
    if isinstance(annotation, str):
        return set(_WORDS.findall(annotation))
    return {word for part in typing.get_args(annotation) for word in _words_of(part)}


def _is_streaming(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__module__.partition(".")[0] in _STREAMING


def _streaming_is_on() -> bool:
    """Whether the streaming extension is imported. Then the worker gives every function another type of request."""
    base = sys.modules.get("azurefunctions.extensions.base")
    return base is not None and bool(base.HttpV2FeatureChecker.http_v2_enabled())


def _check_name(function: Any) -> None:
    """Refuses a second function of the same name. Azure would index none of the app's functions, and not say where."""
    earlier = function.__globals__.get(function.__name__) if function.__qualname__ == function.__name__ else None
    if not isinstance(earlier, FunctionBuilder):
        return
    try:
        built = earlier.build()
    except ValueError:  # no trigger: azure-functions raises its own error
        return
    first = built.get_user_function()
    place = getattr(first, "guarded_at", None) or place_of(first)
    if built.get_function_name() != function.__name__ or place == place_of(function) or _is_renamed(function):
        return  # other names, or the same function in a module that is reloaded
    _refuse(function, f"a function of this name is declared in {place} already; rename one of them")


def _is_renamed(function: Function) -> bool:
    """Whether a decorator `@app.function_name("…")` above gives the function another name."""
    try:
        return ".function_name(" in inspect.getsource(function).partition("def ")[0]
    except OSError:
        return True  # no source: assume that it is renamed


def _refuse(function: Any, why: str) -> NoReturn:
    raise TypeError(f"{_name_of(function)}: {why}")


def _name_of(function: Any) -> str:
    if isinstance(function, FunctionBuilder):
        function = function._function.get_user_function()  # build() refuses what has no trigger yet
    if not inspect.isfunction(function):
        function = getattr(function, "__func__", None) or getattr(function, "func", function)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name} ({place_of(function)})" if inspect.isfunction(function) else str(name)
