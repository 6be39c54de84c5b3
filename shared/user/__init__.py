"""The signed-in user in a function: `User` in `def`, `AsyncUser` in `async def` functions."""

from .async_api import AsyncCalledApi
from .async_user import AsyncUser, in_a_thread, validate_in_thread
from .credential import AsyncUserCredential, UserCredential
from .user import SignedInUser, User

__all__ = [
    "AsyncCalledApi",
    "AsyncUser",
    "AsyncUserCredential",
    "SignedInUser",
    "User",
    "UserCredential",
    "in_a_thread",
    "validate_in_thread",
]
