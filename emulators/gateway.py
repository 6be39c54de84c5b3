"""An HTTPS proxy (CONNECT) that leads to the emulators and nowhere else: whatever else is asked for gets 403."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .audit import Audit, Entry
from .connect_request import GatewayError, parse_connect

MAX_HEAD = 8_192
HEAD_TIMEOUT = 10.0
IDLE_TIMEOUT = 300.0
LINGER = 0.5
MAX_TUNNELS = 1_000


@dataclass(frozen=True)
class Tunnel:
    """One open tunnel: who asked for it, and for which host."""

    caller: str
    host: str


class Gateway:
    """The proxy. It knows every tunnel by the port it reaches the TLS listener from."""

    def __init__(
        self,
        hosts: frozenset[str],
        tls_port: int,
        tunnels: dict[int, Tunnel],
        audit: Audit,
        now: Callable[[], float],
    ) -> None:
        self._hosts = hosts
        self._tls_port = tls_port
        self._audit = audit
        self._now = now
        self._tunnels = tunnels
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one connection from its request line to its end."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.transport.abort()

    async def stop(self) -> None:
        """Drops every tunnel at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT)
        except asyncio.LimitOverrunError:
            await _reply(reader, writer, "431 Request Header Fields Too Large")
            return
        except asyncio.TimeoutError:
            await _reply(reader, writer, "408 Request Timeout")
            return
        except asyncio.IncompleteReadError:
            return
        caller, target = "?", "?"
        try:
            target, caller = parse_connect(head)
            host = self._admit(target)
        except GatewayError as refusal:
            self._record(caller, target, int(refusal.status[:3]), f"refused: {refusal}")
            await _reply(reader, writer, refusal.status)
            return
        self._record(caller, target, 200, f"ok: tunnel to {host}")
        await self._tunnel(reader, writer, Tunnel(caller, host))

    def _admit(self, target: str) -> str:
        host, _, port = target.rpartition(":")
        if host.lower() not in self._hosts or port != "443":
            raise GatewayError("403 Forbidden", "this host is not emulated, and nothing leaves this machine")
        if len(self._tunnels) >= MAX_TUNNELS:
            raise GatewayError("503 Service Unavailable", "too many tunnels are open")
        return host.lower()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tunnel: Tunnel) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._tls_port)
        port = inner_writer.get_extra_info("sockname")[1]
        self._tunnels[port] = tunnel
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _both_ways(
                _pipe(reader, inner_writer, source=writer), _pipe(inner_reader, writer, source=inner_writer)
            )
        finally:
            self._tunnels.pop(port, None)
            inner_writer.transport.abort()

    def _record(self, caller: str, target: str, status: int, verdict: str) -> None:
        entry = Entry(self._now(), caller, "gateway", "CONNECT", target, "connect", status, verdict, 0.0)
        self._audit.append(entry)


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.write_eof()
    with contextlib.suppress(asyncio.TimeoutError):  # closing with bytes unread would reset, and lose the reply
        await asyncio.wait_for(_swallow(reader), LINGER)


async def _swallow(reader: asyncio.StreamReader) -> None:
    for _ in range(16):
        if not await reader.read(65_536):
            return


async def _both_ways(*pipes: Coroutine[Any, Any, None]) -> None:
    """Runs both directions of a tunnel until both have ended or one has failed."""
    tasks = [asyncio.ensure_future(pipe) for pipe in pipes]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    """Without this every POST takes 40 ms: urllib3 leaves Nagle's algorithm on towards a proxy."""
    quick: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
    if quick is not None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, quick, 1)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter) -> None:
    """Copies what `reader` gets to `writer` until it ends; `source` is the other half of `reader`'s connection."""
    _acknowledge_at_once(source)
    while data := await asyncio.wait_for(reader.read(65_536), IDLE_TIMEOUT):
        _acknowledge_at_once(source)
        writer.write(data)
        await writer.drain()
    writer.write_eof()
