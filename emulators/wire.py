"""What happens to a response below HTTP: bytes that come one by one, an end in the middle, a reset."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope

PAUSE = 0.001
"""Seconds between two bytes that drip, at least: enough for the other side to be handed each of them."""


def make_reset(transport: asyncio.BaseTransport) -> None:
    """From now on, closing this connection sends a reset (RST) in place of an orderly end."""
    shape = "hh" if os.name == "nt" else "ii"
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(shape, 1, 0))


def hang_up(transport: asyncio.WriteTransport) -> None:
    """Ends a connection; the other side's kernel knows by the time this returns."""
    with contextlib.suppress(OSError):  # it has ended already
        transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    transport.abort()


class Wire:
    """The connection of one request, written to without the web server's help."""

    def __init__(self, transport: asyncio.Transport, on_drip: Callable[[], None]) -> None:
        self._transport = transport
        self._on_drip = on_drip

    @property
    def closed(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Sends this at once, if the connection is open."""
        if not self.closed:
            self._transport.write(data)

    async def drip(self, data: bytes, delay: float) -> None:
        """Sends this byte by byte, while the connection is open."""
        for position in range(len(data)):
            await asyncio.sleep(max(delay, PAUSE))
            if self.closed:
                return
            self._on_drip()
            self.write(data[position : position + 1])

    async def flush(self) -> None:
        """Waits until all of it has left this process, and the gateway's half has passed on what it was given."""
        while not self.closed and self._transport.get_write_buffer_size():
            await asyncio.sleep(PAUSE)
        for _ in range(10):  # both halves live on this event loop; each turn moves the bytes one step
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        """An orderly end."""
        await self.flush()
        self._transport.close()

    async def reset(self) -> None:
        """A reset, after what was written before."""
        await self.flush()
        if not self.closed:
            make_reset(self._transport)
            self._transport.abort()


async def rendered(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
    """The application's response: the status, the head and the body, as they would go over the wire."""
    parts: list[Message] = []

    async def keep(message: Any) -> None:
        parts.append(message)

    await app(scope, receive, keep)
    start, *rest = parts
    status: int = start["status"]
    lines = [f"HTTP/1.1 {status} {_phrase(status)}".encode(), b"connection: close"]
    lines += [name + b": " + value for name, value in start["headers"]]
    body = b"".join(part.get("body", b"") for part in rest)
    return status, b"\r\n".join([*lines, b"", b""]), b"" if scope["method"] == "HEAD" else body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
