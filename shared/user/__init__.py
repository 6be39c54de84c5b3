"""The signed-in user in a function: `User` in `def`, `AsyncUser` in `async def` functions."""

from .async_user import AsyncUser, validate_in_thread
from .user import SignedInUser, User

__all__ = [
    "AsyncUser",
    "SignedInUser",
    "User",
    "validate_in_thread",
]
