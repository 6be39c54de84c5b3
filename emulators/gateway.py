"""An HTTPS proxy (CONNECT) that leads to the emulators only. Every other host gets 403."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from .audit import Audit, Entry
from .connect_request import GatewayError, parse_connect
from .fault import Fault
from .pipes import both_ways, first_of, forward, forward_responses
from .wire import hang_up

MAX_HEAD = 8_192
HEAD_TIMEOUT = 10.0
LINGER = 0.5
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
ASK = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="emulators"\r\nContent-Length: 0\r\n\r\n'
)
"""The connection stays open: most clients ask again on it, now with their name."""
MAX_ASKED = 3
MAX_TUNNELS = 1_000


@dataclass(frozen=True)
class Tunnel:
    """One open tunnel: who asked for it, and for which host."""

    caller: str
    host: str


@dataclass(frozen=True)
class Behind:
    """The ports of the TLS listeners that tunnels lead to: the one, and the one that nobody trusts."""

    tls: int
    impostor: int


class Gateway:
    """The proxy. It knows every tunnel by the port it reaches the TLS listener from.

    `fault_of` is asked about each tunnel to a host: one of the kinds fault.ON_CONNECT, or None.
    """

    def __init__(
        self,
        hosts: Collection[str],
        callers: Collection[str],
        behind: Behind,
        tunnels: dict[int, Tunnel],
        audit: Audit,
        now: Callable[[], float],
        fault_of: Callable[[str], Fault | None],
    ) -> None:
        self._hosts = hosts
        self._callers = callers
        self._behind = behind
        self._audit = audit
        self._now = now
        self._fault_of = fault_of
        self._tunnels = tunnels
        self._open: dict[asyncio.StreamWriter, str] = {}
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

    def disconnect(self, host: str) -> None:
        """Ends the tunnels to one host."""
        for writer in [writer for writer, leads_to in self._open.items() if leads_to == host]:
            hang_up(writer.transport)

    async def stop(self) -> None:
        """Drops every tunnel at once."""
        tasks = set(self._tasks)
        while tasks:  # again, because wait_for can swallow a cancellation before Python 3.12
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller, target = await self._asked_for(reader, writer)
        host = target.rpartition(":")[0].lower()
        if not host:
            return
        fault = self._fault_of(host)
        if fault is not None and fault.network == "refused":
            self._record(caller, target, 502, fault.describe())
            await _reply(reader, writer, "502 Bad Gateway")
            return
        self._record(caller, target, 200, fault.describe() if fault else f"ok: tunnel to {host}")
        if fault is not None and fault.network == "silent":
            await _say_nothing(reader, writer, fault)
            return
        port = self._behind.impostor if fault else self._behind.tls
        await self._tunnel(reader, writer, Tunnel(caller, host), port)

    async def _asked_for(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, str]:
        """Who asks, and for which target; "" when the request was refused. A client without a name is asked for it."""
        unnamed = ""
        for _ in range(MAX_ASKED):
            head = await _head(reader, writer, "" if unnamed else "408 Request Timeout")
            if head is None:
                break
            caller: str | None = None
            target = "?"
            try:
                target, caller = parse_connect(head, self._callers)
                self._admit(target)
            except GatewayError as refusal:
                self._record(caller or "?", target, int(refusal.status[:3]), f"refused: {refusal}")
                await _reply(reader, writer, refusal.status)
                return "?", ""
            if caller is not None:
                return caller, target
            unnamed = target
            writer.write(ASK)
        if unnamed:  # the one entry about a client that has no name, or has gone to make another connection
            self._record("?", unnamed, 407, "asked for the user name of the proxy's URL")
        return "?", ""

    def _admit(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        if host.lower() not in self._hosts or port != "443":
            raise GatewayError(
                "403 Forbidden",
                "this host is not emulated, and nothing leaves this machine; local-stack.toml adds an API",
            )
        if len(self._tunnels) >= MAX_TUNNELS:
            raise GatewayError("503 Service Unavailable", "too many tunnels are open")

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tunnel: Tunnel, behind: int
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
        port = inner_writer.get_extra_info("sockname")[1]
        self._tunnels[port], self._open[writer] = tunnel, tunnel.host
        try:
            writer.write(ESTABLISHED)
            await both_ways(
                forward(reader, inner_writer, source=writer),
                forward_responses(inner_reader, writer, source=inner_writer),
            )
        finally:
            self._tunnels.pop(port, None)
            self._open.pop(writer, None)
            inner_writer.transport.abort()

    def _record(self, caller: str, target: str, status: int, verdict: str) -> None:
        entry = Entry(self._now(), caller, "gateway", "CONNECT", target, "connect", status, verdict, 0.0)
        self._audit.append(entry)


async def _head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, when_late: str) -> bytes | None:
    """A request's head; None when there is none, after the reply that says so."""
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT)
    except asyncio.LimitOverrunError:
        await _reply(reader, writer, "431 Request Header Fields Too Large")
    except TimeoutError:
        if when_late:
            await _reply(reader, writer, when_late)
    except asyncio.IncompleteReadError:
        pass
    return None


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.write_eof()
    with contextlib.suppress(asyncio.TimeoutError):  # closing with bytes unread would reset, and lose the reply
        await asyncio.wait_for(_swallow(reader), LINGER)


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
    """A tunnel that leads nowhere, until the caller goes or the fault is switched off."""
    writer.write(ESTABLISHED)
    await first_of(reader.read(), fault.is_off())


async def _swallow(reader: asyncio.StreamReader) -> None:
    for _ in range(16):
        if not await reader.read(65_536):
            return
