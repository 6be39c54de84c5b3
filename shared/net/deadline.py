"""The one deadline of a request: every wait inside it is cut to what is left.

Carried in a context variable, because libraries stand between the request and the sockets that wait for it. The
platform's own limit, after which the caller gets an empty 502, is 230 seconds:
https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import NamedTuple


class _Deadline(NamedTuple):
    at: float
    now: Callable[[], float]


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


class within:  # noqa: N801 — reads as the sentence it begins; a generator would take three times as long
    """What runs inside must be done in so many seconds, or by the deadline there is already, if that comes first."""

    __slots__ = ("_deadline", "_token")
    _token: Token[_Deadline | None]

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._deadline = _Deadline(now() + seconds_left(seconds), now)

    def __enter__(self) -> None:
        self._token = _current.set(self._deadline)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def seconds_left(at_most: float) -> float:
    """How long a wait may last, in seconds: `at_most` or what is left of the deadline; 0 when it is over."""
    deadline = _current.get()
    return at_most if deadline is None else max(0.0, min(at_most, deadline.at - deadline.now()))
