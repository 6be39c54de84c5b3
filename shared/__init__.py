"""What a function needs: `requires_user` above it, a `User` inside it, and errors to raise.

To follow one request, start at requires_user.py; docs/how-it-works.md goes along.
"""

from typing import TYPE_CHECKING, Any

from .errors import ApiError, BadRequest, Forbidden, NotFound
from .hosting import json_body
from .requires_user import health, requires_user
from .user import AsyncUser, User

if TYPE_CHECKING:
    from .downstream.batch import BatchCall

__all__ = [
    "ApiError",
    "AsyncUser",
    "BadRequest",
    "BatchCall",
    "Forbidden",
    "NotFound",
    "User",
    "health",
    "json_body",
    "requires_user",
]

__version__ = "2.0.0"  # of the template; CHANGELOG.md and azure.yaml name it as well


def __getattr__(name: str) -> Any:
    """`BatchCall` is imported where an app names it: it needs the rooms that are loaded in the background."""
    if name == "BatchCall":
        from .downstream.batch import BatchCall

        return BatchCall
    raise AttributeError(name)
