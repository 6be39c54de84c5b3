"""What a shared cache is to the rest: a place for named bytes that may be out of use at any time."""

from __future__ import annotations

from typing import Protocol


class StoreError(Exception):
    """The store is of no use at the moment; whoever asked goes on without it."""


class Store(Protocol):
    """Named bytes that end by themselves, and locks on names. Every call may raise StoreError."""

    def get(self, name: str) -> bytes | None:
        """What was put there last."""
        ...

    def put(self, name: str, content: bytes, seconds: int) -> None:
        """Keeps it for so long."""
        ...

    def drop(self, name: str) -> None:
        """Forgets it."""
        ...

    def lock(self, name: str, seconds: float) -> str:
        """Takes the lock, for so long at the most; the value to give it back with, or "" when another one has it."""
        ...

    def unlock(self, name: str, value: str) -> None:
        """Gives the lock back, unless it has ended and is another one's by now."""
        ...
