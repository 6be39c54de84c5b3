"""A function as a tool: its name, what it does, which arguments it takes, and which scopes it needs."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable
from typing import Any, NoReturn

from ..hosting import is_async, place_of
from ..user import AsyncUser, User
from .values import Fields, UnsupportedType, fields_of

MAX_NAME_CHARS = 64  # some clients refuse longer names
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_CHARS}}}", re.ASCII)
_USER = "user"
_CALLERS = (User, AsyncUser)

Function = Callable[..., Any]


class Tool:
    """One tool, made while the app loads. A tool does not change."""

    __slots__ = ("_fields", "description", "function", "is_async", "name", "scopes", "takes_user")

    def __init__(self, function: Function, scopes: tuple[str, ...]) -> None:
        """Raises TypeError if the function cannot be a tool. The text names the function and what to do."""
        _check_function(function)
        self.name, self.function, self.scopes = function.__name__, function, scopes
        self.description = inspect.cleandoc(function.__doc__ or "")
        if not self.description:
            refuse(function, "it has no docstring; write one, because a model chooses tools by it")
        self.is_async = is_async(function)
        parameters = dict(inspect.signature(function).parameters)
        hints = _hints_of(function)
        self.takes_user = parameters.pop(_USER, None) is not None
        if self.takes_user:
            self._check_user(hints.pop(_USER, None))
        self._fields = _fields_of(function, parameters, hints)

    def arguments(self, given: Any) -> dict[str, Any]:
        """The arguments of one call, each of its type. Raises WrongValue."""
        return self._fields.read(given)

    def described(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        return {"name": self.name, "description": self.description, "inputSchema": self._fields.schema}

    def _check_user(self, hint: Any) -> None:
        kind, wanted = ("async def", AsyncUser) if self.is_async else ("def", User)
        if hint is not wanted:
            article = "an" if self.is_async else "a"
            refuse(self.function, f"a tool with {kind} gets {article} {wanted.__name__}; write user: {wanted.__name__}")


def refuse(function: Any, why: str) -> NoReturn:
    """Raises TypeError with the name and the place of the function."""
    place = f" ({place_of(function)})" if inspect.isfunction(function) else ""
    raise TypeError(f"{getattr(function, '__name__', type(function).__name__)}{place}: {why}")


def _check_function(function: Any) -> None:
    if not inspect.isfunction(function):
        refuse(function, "@tool goes directly above a def or an async def")
    if hasattr(function, "guarded_at"):
        refuse(function, "@requires_user belongs above the function of the endpoint, and not above a tool")
    if not _NAME.fullmatch(function.__name__):
        refuse(function, f"a tool has a name of letters, digits and _, {MAX_NAME_CHARS} at most; rename it")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        refuse(function, "a tool with yield has no result; return the whole result")


def _hints_of(function: Function) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        refuse(
            function,
            f"its types cannot be read ({type(error).__name__}); "
            "import each of them at the top of the module, and not below TYPE_CHECKING",
        )


def _fields_of(function: Function, parameters: dict[str, inspect.Parameter], hints: dict[str, Any]) -> Fields:
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for name, parameter in parameters.items():
        if name in ("self", "cls"):
            refuse(function, "a tool is a function and no method; move it out of the class")
        if parameter.kind not in by_name:
            refuse(function, f"{name} is not passed by name; write each argument of its own, without *, ** and /")
        if name not in hints:
            refuse(function, f"the argument {name} has no type; write one, such as {name}: str")
        if hints[name] in _CALLERS:
            refuse(function, f"the signed-in user is in the parameter user; rename {name} to user")
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    try:
        fields = fields_of({name: hints[name] for name in parameters}, required, ())
    except UnsupportedType as unsupported:
        refuse(function, str(unsupported))
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty and _is_plain(parameter.default):
            properties = fields.schema["properties"]
            properties[name] = {**properties[name], "default": parameter.default}
    return fields


def _is_plain(default: object) -> bool:
    """Whether JSON has the default value as it is. The default None only says that the argument was left out."""
    try:
        json.dumps(default, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return default is not None
