"""Reads the body of a response piece by piece. Bytes and time are bounded, and memory stays small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ..errors import BadGateway
from ..net import OpenResponse, Response, TransportError
from .calls import UserCalls
from .request import Request


class ByteStream:
    """The body of a response, piece by piece, in a `with` statement. An iterator of bytes.

    Attributes:
        status_code: the HTTP status.
        headers: the headers. Upper and lower case in their names do not matter.
    """

    status_code: int
    headers: Mapping[str, str]

    def __init__(self, calls: UserCalls, request: Request, max_bytes: int) -> None:
        # Without compression a small response cannot become a large one:
        own = {"Accept-Encoding": "identity", **request.headers}
        self._calls, self._max_bytes = calls, max_bytes
        self._request = request._replace(headers=own, keep_open=True)
        self._response: OpenResponse | None = None
        self._pieces: Iterator[bytes] = iter(())

    def __enter__(self) -> ByteStream:
        response = self._calls.send(self._request)
        self.status_code, self.headers = response.status_code, response.headers
        if isinstance(response, OpenResponse):
            self._response, self._pieces = response, response.chunks(self._max_bytes)
        elif response.status_code >= 300 and response.status_code != 304:
            raise BadGateway(reason=f"HTTP {response.status_code}, a redirect; get() returns its Location")
        return self

    def __exit__(self, *_: object) -> None:
        if self._response is not None:
            self._response.close()
        self._pieces = iter(())

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except TransportError as error:
            raise self._calls.unanswered(error) from None


def save(stream: ByteStream, file: BinaryIO) -> Response:
    """Writes the whole body into the file."""
    with stream as pieces:
        for piece in pieces:
            file.write(piece)
        return Response(pieces.status_code, pieces.headers, b"")
