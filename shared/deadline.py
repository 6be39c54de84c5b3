"""The one deadline of a request: every wait inside it is cut to what is left.

Carried in a context variable, because libraries stand between the request and the sockets that wait for it. The
platform's own limit, after which the caller gets an empty 502, is 230 seconds:
https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class _Deadline:
    at: float
    now: Callable[[], float]


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float, now: Callable[[], float]) -> Iterator[None]:
    """What runs inside must be done in so many seconds, or by the deadline there is already, if that comes first."""
    token = _current.set(_Deadline(now() + seconds_left(seconds), now))
    try:
        yield
    finally:
        _current.reset(token)


def seconds_left(at_most: float) -> float:
    """How long a wait may last, in seconds: `at_most` or what is left of the deadline; 0 when it is over."""
    deadline = _current.get()
    return at_most if deadline is None else max(0.0, min(at_most, deadline.at - deadline.now()))
