"""docs/reference.md against the code: it is what the docstrings say, and they leave nothing public out."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import shared
from maintainers import reference
from shared import errors
from shared.application.app_api import AppApi, AsyncAppApi
from shared.downstream.api import ApiResponse, DownstreamApi
from shared.user.async_api import AsyncDownstreamApi

DOCUMENTED = reference.documented()


def test_the_page_is_what_the_docstrings_say() -> None:
    written = reference.PAGE.read_text(encoding="utf-8")

    assert written == reference.page(), "type: python -m maintainers.reference"


@pytest.mark.parametrize("name", shared.__all__)
def test_every_name_that_shared_exports_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in reference.page() or f"`@{name}`" in reference.page()


@pytest.mark.parametrize(
    "owner",
    [
        *(shared.User, shared.AsyncUser, shared.CallingApp, DownstreamApi, AsyncDownstreamApi),
        *(AppApi, AsyncAppApi, ApiResponse),
    ],
)
def test_everything_public_of_what_a_function_gets_is_on_the_page(owner: type) -> None:
    internal = {"send", "reader", "calls"}  # what `request` and the others, and the two kinds of `pages`, end in
    public = {name for name in dir(owner) if not name.startswith("_")} - internal
    fields = {"status_code", "headers", "content"} if owner is ApiResponse else set()

    page = reference.page()
    missing = {name for name in public | fields if f"`{name}`" not in page and f"`{owner.__name__}.{name}`" not in page}
    assert missing == set()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_parameter_is_explained_and_no_other(name: str) -> None:
    function = DOCUMENTED[name]
    parameters = set(inspect.signature(function).parameters) - {"self", "misused"}
    text, sections = reference._parsed(function)

    assert text
    explained = {parameter for parameter, _ in sections.get("Args", [])}
    assert explained == parameters or (parameters == {"path", "options"} and "of `request`" in text)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_error_that_is_named_exists(name: str) -> None:
    named = {error for error, _ in reference._parsed(DOCUMENTED[name])[1].get("Raises", [])}

    assert {error for error in named if not hasattr(errors, error) and not hasattr(builtins, error)} == set()


@pytest.mark.parametrize("kind", reference.error_types(), ids=lambda kind: kind.__name__)
def test_each_error_has_words_of_its_own(kind: type) -> None:
    assert kind.__dict__.get("__doc__")


def explained(scope: str, count: int = 1) -> str:
    """Does it.

    More of it,
    in two lines.

    Args:
        scope: which one: `a` or
            `b`.
        count: how many.

    Returns:
        A word,
        or two.

    Raises:
        ValueError: neither.
    """
    return scope * count


def test_a_docstring_is_read_with_its_sections() -> None:
    assert reference._parsed(explained) == (
        "Does it.\n\nMore of it,\nin two lines.",
        {
            "Args": [("scope", "which one: `a` or `b`."), ("count", "how many.")],
            "Returns": [("", "A word, or two.")],
            "Raises": [("ValueError", "neither.")],
        },
    )


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (explained, "explained(scope: str, count: int = 1) -> str"),
        (errors.NotFound, 'detail: str | None = None, *, reason: str = ""'),
    ],
)
def test_a_signature_is_written_as_in_the_code(function: Callable[..., Any], signature: str) -> None:
    assert signature in reference._signature(function.__name__, function)
