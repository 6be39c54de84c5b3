"""Writes docs/reference.md from the docstrings of shared/: `python -m maintainers.reference`."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import shared
from shared import errors
from shared.application.app_api import AppApi, AsyncAppApi
from shared.downstream.api import ApiResponse, DownstreamApi
from shared.downstream.batch import BatchCall, BatchResponse
from shared.errors import ApiError
from shared.hosting.protected_resource import metadata_routes
from shared.net import Response
from shared.requires_user import RequiresApp, RequiresCaller, RequiresUser
from shared.user.async_api import AsyncDownstreamApi
from shared.user.user import SignedInUser

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
WIDTH = 130
SECTIONS = ("Args", "Attributes", "Returns", "Raises")
VERBS = ("get", "post", "put", "patch", "delete")
MORE_CALLS = ("pages", "items", "batch", "stream", "download")
TITLE = """# Reference

What `from shared import …` gives a function, and what that takes, returns and raises. [Extend](extend.md) has examples.
[Errors](errors.md) says what a client does about each code.

This page is made from the docstrings in `shared/`. Write there, then type `python3 -m maintainers.reference`.
"""
Function = Callable[..., Any]


def page() -> str:
    """The whole page."""
    parts = [TITLE, *_decorators(), *_users(), *_applications(), *_calls(), *_response(), *_tools(), *_errors()]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def documented() -> dict[str, Function]:
    """Each function and method on the page, by its name there."""
    return {
        "requires_user": RequiresUser.__call__,
        "requires_app": RequiresApp.__call__,
        "requires_caller": RequiresCaller.__call__,
        "app_api": shared.app_api,
        "async_app_api": shared.async_app_api,
        "health": shared.health,
        "json_body": shared.json_body,
        "McpServer": shared.McpServer,
        "McpServer.tool": shared.McpServer.tool,
        "McpServer.handle": shared.McpServer.handle,
        "User.api": shared.User.api,
        "User.azure_options": shared.User.azure_options,
        "User.credential": shared.User.credential,
        "User.member_of": shared.User.member_of,
        "User.token": shared.User.token,
        "AsyncUser.api": shared.AsyncUser.api,
        "AsyncUser.azure_options": shared.AsyncUser.azure_options,
        "AsyncUser.credential": shared.AsyncUser.credential,
        "AsyncUser.member_of": shared.AsyncUser.member_of,
        "AsyncUser.token": shared.AsyncUser.token,
        "request": DownstreamApi.request,
        **{name: getattr(DownstreamApi, name) for name in (*VERBS, *MORE_CALLS)},
        "raise_for_status": BatchResponse.raise_for_status,
        "json": ApiResponse.json,
        "retry_after": ApiResponse.retry_after,
        "ApiError": ApiError,
        "challenge": ApiError.challenge,
    }


def error_types() -> list[type[ApiError]]:
    """The classes of shared/errors.py in their order there."""
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ApiError)]


def _decorators() -> Iterator[str]:
    yield "## Decorators and functions\n"
    decorators = ("requires_user", "requires_app", "requires_caller")
    for name in (*decorators, "app_api", "async_app_api", "health", "json_body"):
        yield from _entry("@" * (name in decorators) + name, documented()[name])
    yield "### `protected_resource`\n"
    yield "```python\napp.register_functions(protected_resource)\n```\n"
    yield _wrapped(_text(metadata_routes))


def _users() -> Iterator[str]:
    yield "## `User` and `AsyncUser`\n"
    yield _wrapped(f"{_text(SignedInUser)} A function with `def` gets a `User`, one with `async def` an `AsyncUser`.")
    yield _table(("attribute", "type", "what it is"), _properties(SignedInUser))
    names = ("api", "credential", "azure_options", "member_of", "token")
    for name in (*(f"User.{name}" for name in names), *(f"AsyncUser.{name}" for name in names)):
        yield from _entry(name, documented()[name])


def _applications() -> Iterator[str]:
    yield "## `CallingApp`\n"
    yield _wrapped(_text(shared.CallingApp))
    yield _table(("attribute", "type", "what it is"), _properties(shared.CallingApp))


def _calls() -> Iterator[str]:
    yield '## `user.api("NAME")` and `app_api("NAME")`\n'
    for kind in (DownstreamApi, AsyncDownstreamApi, AppApi, AsyncAppApi):
        yield _wrapped(f"`{kind.__name__}`: {_text(kind)}")
    yield _table(("attribute", "type", "what it is"), _properties(DownstreamApi))
    for name in ("request", *VERBS, *MORE_CALLS):
        yield from _entry(name, documented()[name])
    yield "### `BatchCall`\n"
    yield from _fields(BatchCall)
    yield "### `BatchResponse`\n"
    yield _wrapped(f"{_text(BatchResponse)} It has the attributes of the response below.")
    yield from _entry("raise_for_status", BatchResponse.raise_for_status)


def _response() -> Iterator[str]:
    yield "## The response of a downstream API\n"
    yield from _fields(Response, f"{_text(ApiResponse)} ", _properties(ApiResponse))
    for name in ("json", "retry_after"):
        yield from _entry(name, documented()[name])


def _tools() -> Iterator[str]:
    yield "## Tools for AI agents\n"
    for name in ("McpServer", "McpServer.tool", "McpServer.handle"):
        yield from _entry(name, documented()[name])


def _fields(owner: type, before: str = "", more: Iterator[tuple[str, str, str]] | None = None) -> Iterator[str]:
    """The text of a dataclass, and its attributes."""
    text, sections = _parsed(owner)
    yield _wrapped(f"{before}{text}")
    fields = {name: _annotation(str(kind)) for name, kind in inspect.get_annotations(owner).items()}
    rows = [
        (f"`{name}`", f"`{fields[name].replace('|', chr(92) + '|')}`", what) for name, what in sections["Attributes"]
    ]
    yield _table(("attribute", "type", "what it is"), [*rows, *(more or ())])


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    importable = ", ".join(f"`{each.__name__}`" for each in error_types() if each.__name__ in shared.__all__)
    yield _wrapped(
        f"Import {importable} from `shared`, and the others from `shared.errors`. A function raises them or lets them "
        "pass. The caller gets the status, and a body with `code` and `detail`."
    )
    yield from _entry("ApiError", ApiError)
    yield from _entry("challenge", ApiError.challenge)
    yield "### All errors\n"
    yield _table(("class", "is a", "status", "`code`", "when"), map(_error_row, error_types()))


def _error_row(kind: type[ApiError]) -> tuple[str, ...]:
    base = kind.__mro__[1].__name__
    status = "4xx" if "status" in inspect.signature(kind).parameters else str(kind.status)
    return f"`{kind.__name__}`", f"`{base}`", status, f"`{kind.code}`", _text(kind).partition(" https://")[0]


def _entry(name: str, function: Function) -> Iterator[str]:
    """The heading of one function, its signature, and what its docstring says."""
    text, sections = _parsed(function)
    yield f"### `{name}`\n"
    yield f"```python\n{_signature(name, function)}\n```\n"
    yield _wrapped(text)
    for section, items in sections.items():
        if section == "Returns":
            yield _wrapped("**Returns** " + " ".join(what for _, what in items))
        else:
            title = {"Args": "Takes"}.get(section, section)
            yield f"**{title}**\n"
            yield "\n".join(_wrapped(f"- `{item}`: {what}", "  ") for item, what in items)


def _parsed(documented_object: Any) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """The text of a docstring, and its sections as pairs of a name and what is said of it."""
    lines = (inspect.getdoc(documented_object) or "").splitlines()
    text: list[str] = []
    sections: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in lines:
        title = re.fullmatch(r"(\w+):", line)
        item = re.fullmatch(r"    (\w+): (.+)", line)
        if title and title[1] in SECTIONS:
            section = title[1]
            sections[section] = []
        elif not section:
            text.append(line)
        elif item and section != "Returns":
            sections[section].append((item[1], item[2]))
        elif line.strip():
            before = sections[section].pop() if sections[section] else ("", "")
            sections[section].append((before[0], f"{before[1]} {line.strip()}".strip()))
    return "\n".join(text).strip(), sections


def _text(documented_object: Any) -> str:
    """The part of a docstring before its sections, in one line."""
    return " ".join(_parsed(documented_object)[0].split())


def _properties(owner: type) -> Iterator[tuple[str, str, str]]:
    for name, value in inspect.getmembers(owner):
        if isinstance(value, property | cached_property) and not name.startswith("_"):
            getter = value.fget if isinstance(value, property) else value.func
            kind = str(inspect.signature(getter or page).return_annotation)
            yield f"`{name}`", f"`{_annotation(kind)}`", _linked(_text(value))


def _signature(name: str, function: Function) -> str:
    """As a caller writes it, one parameter in a line where it is long."""
    signature = inspect.signature(function)
    hidden = ("self", "misused")
    kept = [each for each in signature.parameters.values() if each.name not in hidden]
    parameters = [_parameter(each) for each in kept]
    first = next((number for number, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), None)
    if first is not None:
        parameters.insert(first, "*")
    is_class = isinstance(function, type)
    result = "" if is_class or name.startswith("@") else f" -> {_annotation(str(signature.return_annotation))}"
    called = ("async def " if inspect.iscoroutinefunction(function) else "") + name.rpartition(".")[2]
    line = f"{called}({', '.join(parameters)}){result}"
    if len(line) <= 100:
        return line
    return f"{called}(\n" + "".join(f"    {each},\n" for each in parameters) + f"){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = {parameter.empty: "", "": ' = ""'}.get(parameter.default, f" = {parameter.default!r}")
    return f"{'**' * (parameter.kind is parameter.VAR_KEYWORD)}{parameter.name}: {parameter.annotation}{default}"


def _annotation(text: str) -> str:
    """The annotation, and the response in place of the variable that stands for it."""
    return "Response" if text == "R" else text


def _wrapped(text: str, indent: str = "") -> str:
    """Paragraphs that fit the width; a list or a code block stays as it is."""
    paragraphs = [_linked(" ".join(each.split())) for each in text.split("\n\n")]
    return "\n\n".join(_filled(each, indent) for each in paragraphs) + ("" if indent else "\n")


def _filled(paragraph: str, indent: str) -> str:
    return textwrap.fill(paragraph, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _linked(text: str) -> str:
    return re.sub(r"(?<![(<])(https://learn\.microsoft\.com/\S+)", r"<\1>", text)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
