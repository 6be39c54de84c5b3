"""An endpoint with tools for real clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import azure.functions as func

from shared import McpServer, User
from shared.requires_user import RequiresUser


def profile(user: User) -> object:
    """The profile of the user."""
    return user.api("Graph").get("/me?$select=displayName")


def place_order(user: User, item: str, quantity: int = 1) -> object:
    """Places an order."""
    return {"by": user.name, "item": item, "quantity": quantity}


def write_note(user: User, text: str) -> object:
    """Writes a note."""
    return {"by": user.name, "note": text}


def test_simple_text() -> str:
    """The conformance suite calls this tool."""
    return "This is a simple text response for testing."


def test_error_handling() -> None:
    """The conformance suite expects an error of this tool."""
    raise RuntimeError("This tool intentionally returns an error for testing")


def guarded(requires_user: RequiresUser, allowed_origins: list[str]) -> Callable[..., Any]:
    """The endpoint, as an app would declare it."""
    tools = McpServer("test-server", instructions="Tools for tests.", allowed_origins=allowed_origins)
    for function in (profile, place_order, test_simple_text, test_error_handling):
        tools.tool(function)
    tools.tool(scopes=["Notes.Write"])(write_note)

    @requires_user(scopes=["access_as_user"])
    def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
        return tools.handle(req, user)

    guarded_function: Callable[..., Any] = mcp
    return guarded_function
