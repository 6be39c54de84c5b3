"""The interface of a shared cache: named bytes in a store that may be unavailable at any time."""

from __future__ import annotations

from typing import Protocol


class BackendError(Exception):
    """The store cannot be used at the moment; go on without it."""


class CacheBackend(Protocol):
    """Named bytes that end by themselves, each with a lock. Every call may raise BackendError."""

    def get(self, name: str) -> bytes | None:
        """What was put there last."""
        ...

    def get_or_lock(self, name: str, seconds: float, unless: bytes = b"") -> tuple[bytes | None, str]:
        """What was put there last, if it is not `unless`; else its lock, for so long at the most.

        The lock is a value to give it back with; "" when another instance has it. Within a second of an `unlock` all
        instances get the same one.
        """
        ...

    def put(self, name: str, content: bytes, seconds: int, lock: str = "") -> None:
        """Keeps it for so long, and ends the lock.

        With a lock that another one has by now, it is kept only where there is nothing yet: what is there is newer.
        """
        ...

    def unlock(self, name: str, lock: str) -> None:
        """There is nothing to put: other instances need not wait for the lock any longer."""
        ...

    def drop(self, name: str) -> None:
        """Forgets what was put there."""
        ...
