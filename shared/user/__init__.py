"""Who called: `User` in `def` and `AsyncUser` in `async def` functions, or `CallingApp`."""

from .async_user import AsyncUser, in_a_thread, validate_in_thread
from .calling_app import CallingApp
from .user import SignedInUser, User, record_of

__all__ = [
    "AsyncUser",
    "CallingApp",
    "SignedInUser",
    "User",
    "in_a_thread",
    "record_of",
    "validate_in_thread",
]
