"""The signed-in user, as a function sees them: `User` in `def`, `AsyncUser` in `async def` functions."""

from .async_user import AsyncUser, validate_in_thread
from .credential import AsyncUserCredential, UserCredential
from .user import SignedInUser, User

__all__ = [
    "AsyncUser",
    "AsyncUserCredential",
    "SignedInUser",
    "User",
    "UserCredential",
    "validate_in_thread",
]
