"""What a function needs: a decorator above it, its caller inside it, APIs to call, and errors to raise.

To follow one request, start at requires_user.py; docs/how-it-works.md goes along.
"""

from typing import TYPE_CHECKING, Any

from .errors import ApiError, BadRequest, Forbidden, NotFound
from .hosting import json_body
from .requires_user import app_api, async_app_api, health, requires_app, requires_caller, requires_user
from .user import AsyncUser, CallingApp, User

if TYPE_CHECKING:
    from azure.functions import Blueprint

    from .downstream.batch import BatchCall
    from .mcp import McpServer

    protected_resource: Blueprint

__all__ = [
    "ApiError",
    "AsyncUser",
    "BadRequest",
    "BatchCall",
    "CallingApp",
    "Forbidden",
    "McpServer",
    "NotFound",
    "User",
    "app_api",
    "async_app_api",
    "health",
    "json_body",
    "protected_resource",
    "requires_app",
    "requires_caller",
    "requires_user",
]

__version__ = "2.0.0"  # of the template; CHANGELOG.md and azure.yaml name it as well


def __getattr__(name: str) -> Any:
    """Imports what only some apps use, when an app names it. `BatchCall` also needs packages that are loaded later."""
    if name == "BatchCall":
        from .downstream.batch import BatchCall

        return BatchCall
    if name == "McpServer":
        from .mcp import McpServer

        return McpServer
    if name == "protected_resource":
        from .hosting.protected_resource import metadata_routes
        from .services import services

        return metadata_routes(services.settings)
    raise AttributeError(name)
