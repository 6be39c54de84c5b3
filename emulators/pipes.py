"""The two directions of a tunnel: what arrives on one connection leaves on the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

from .wire import make_reset

IDLE_TIMEOUT = 300.0


async def both_ways(*pipes: Coroutine[Any, Any, None]) -> None:
    """Runs both directions of a tunnel until both have ended or one has failed."""
    await _until(asyncio.FIRST_EXCEPTION, pipes)


async def first_of(*waits: Awaitable[Any]) -> None:
    """Returns when one of these has ended, and ends the others."""
    await _until(asyncio.FIRST_COMPLETED, waits)


async def _until(enough: str, works: Iterable[Awaitable[Any]]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=enough)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    """Without this every POST takes 40 ms: urllib3 leaves Nagle's algorithm on toward a proxy."""
    quick: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
    if quick is not None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, quick, 1)


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter) -> None:
    """Copies what `reader` gets to `writer` until it ends; `source` is the other half of `reader`'s connection."""
    _acknowledge_at_once(source)
    while data := await _read(reader, source):
        _acknowledge_at_once(source)
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _read(reader: asyncio.StreamReader, source: asyncio.StreamWriter) -> bytes:
    """The next bytes; none when the connection has ended, or has been idle for too long.

    Not with wait_for: before Python 3.12, bytes that arrive at the moment of a cancellation make it forget that one.
    """
    idle = asyncio.get_running_loop().call_later(IDLE_TIMEOUT, source.transport.abort)
    try:
        return await reader.read(65_536)
    finally:
        idle.cancel()


async def forward_responses(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter
) -> None:
    """The same toward the caller, to whom a reset behind the gateway is passed on as one."""
    try:
        await forward(reader, writer, source)
    except ConnectionResetError:
        make_reset(writer.transport)
        raise
