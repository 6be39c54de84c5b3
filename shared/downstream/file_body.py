"""A request body that is read from a file while it is sent, so that it is never in memory as a whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..net import seconds_left

_BLOCK = 64 * 1024


class FileBody:
    """The bytes of a file from its current position to its current end. `len` is their number; a pipe has no `len`.

    `requests` asks for `len`, `read` and `__iter__`. Without `len` it sends the body in chunks (RFC 9112 §7.1).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start: int | None = None
        self._left: int | None = None
        if file.seekable():
            self._start = file.tell()
            self.len = max(0, file.seek(0, io.SEEK_END) - self._start)
            self.rewind()

    @property
    def can_rewind(self) -> bool:
        return self._start is not None

    def rewind(self) -> None:
        """Goes back to the start, before the body is sent (again)."""
        if self._start is not None:
            self._file.seek(self._start)
            self._left = self.len

    def read(self, size: int = -1) -> bytes:
        """The next bytes, never more than `len` in all: the server would take more bytes for another request.

        Raises:
            TimeoutError: the deadline is over.
            OSError: the file has become shorter.
        """
        if seconds_left(1.0) <= 0:
            raise TimeoutError("the deadline is over")
        wanted = _BLOCK if size < 0 else size
        if self._left is None:
            return self._file.read(wanted)
        block = self._file.read(min(wanted, self._left))
        if not block and self._left:
            raise OSError("the file has become shorter")
        self._left -= len(block)
        return block

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK):
            yield block


def as_body(data: Any) -> bytes | FileBody | None:
    """The body as it is sent. Raises TypeError if `data` is neither bytes nor a binary file."""
    if data is None:
        return None
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not (hasattr(data, "read") and hasattr(data, "seekable")) or not isinstance(data.read(0), bytes):
        raise TypeError('data is bytes, or a file that is open in binary mode: open(path, "rb")')
    body = FileBody(data)
    return b"" if body.can_rewind and body.len == 0 else body
