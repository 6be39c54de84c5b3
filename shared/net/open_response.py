"""A response whose body is read piece by piece, so that a large one is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .deadline import within
from .transport import Response, ResponseTooLarge, error_by_kind

if TYPE_CHECKING:
    import requests

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class OpenResponse(Response):
    """A 2xx response with its body unread. Close it: until then it holds a connection."""

    _received: requests.Response
    _ends_at: float
    _now: Callable[[], float]

    @classmethod
    def of(cls, received: requests.Response, seconds: float, now: Callable[[], float]) -> OpenResponse:
        """`seconds`: the time for the whole body."""
        return cls(received.status_code, received.headers, b"", received, now() + seconds, now)

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The body in pieces.

        Raises:
            ResponseTooLarge: it has more than `max_bytes`.
            TransportTimeout: the time is over, or the next piece does not come.
            TransportError: the body is not complete.
        """
        from .deadline_http import RequestException

        pieces, size = self._received.iter_content(_CHUNK), 0
        while True:
            try:
                with within(self._ends_at - self._now(), self._now):  # for each piece: it may be another thread
                    piece = next(pieces, b"")
            except (RequestException, OSError) as error:
                raise error_by_kind(error, cut_short=True) from None
            if not piece:
                return
            size += len(piece)
            if size > max_bytes:
                raise ResponseTooLarge("response too large")
            yield piece

    def close(self) -> None:
        """Gives the connection back."""
        self._received.close()
