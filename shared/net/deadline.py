"""The deadline of a request: every wait inside the request ends at the deadline.

The deadline is in a context variable, because libraries are between the request and the sockets that wait. Azure's own
limit, after which the caller gets an empty 502, is 230 seconds:
https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token


class within:  # noqa: N801 — used as a function: `with within(…)`; a generator would be three times slower
    """Sets a deadline for the block: `seconds` from now, or the outer deadline if that is earlier."""

    __slots__ = ("_token", "at", "now")
    _token: Token[within | None]

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.at, self.now = now() + seconds_left(seconds), now

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


_current: ContextVar[within | None] = ContextVar("deadline", default=None)


def seconds_left(at_most: float) -> float:
    """How long a wait may last, in seconds: `at_most`, or less if the deadline is earlier; 0 after it."""
    deadline = _current.get()
    return at_most if deadline is None else max(0.0, min(at_most, deadline.at - deadline.now()))
