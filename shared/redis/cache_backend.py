"""The interface of a shared cache: named bytes in a store that may be unavailable at any time."""

from __future__ import annotations

from typing import Protocol


class BackendError(Exception):
    """The store cannot be used now. Go on without it."""


class CacheBackend(Protocol):
    """Named bytes that expire by themselves, each with a lock. Every call may raise BackendError."""

    def get(self, name: str) -> bytes | None:
        """The stored bytes, or None."""
        ...

    def get_or_lock(self, name: str, seconds: float, unless: bytes = b"") -> tuple[bytes | None, str]:
        """The stored bytes, if they are not `unless`. Otherwise the lock of the name, for at most `seconds`.

        The lock is a value for `put` or `unlock`; "" if another instance has the lock. For a second after an `unlock`,
        all instances get the same lock.
        """
        ...

    def put(self, name: str, content: bytes, seconds: int, lock: str = "") -> None:
        """Stores the bytes for `seconds`, and releases the lock.

        If another instance has the lock by now, the bytes are stored only if the name is empty. Otherwise what is
        stored is newer, and stays.
        """
        ...

    def unlock(self, name: str, lock: str) -> None:
        """Releases the lock without storing anything. Other instances stop waiting."""
        ...

    def drop(self, name: str) -> None:
        """Removes the stored bytes."""
        ...
