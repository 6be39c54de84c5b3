"""Who called: `User` in `def` and `AsyncUser` in `async def` functions, or `CallingApp`."""

from .async_user import AsyncUser, in_a_thread, validate_in_thread
from .calling_app import CallingApp
from .user import SignedInUser, User, context_of

__all__ = [
    "AsyncUser",
    "CallingApp",
    "SignedInUser",
    "User",
    "context_of",
    "in_a_thread",
    "validate_in_thread",
]
