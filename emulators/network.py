"""The listeners of one stack: the gateway and its TLS server, the sign-in server, the managed-identity endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from .assembly import Site, TunnelLookup
from .audit import Entry
from .authority import impostors_context
from .fault import Fault
from .gateway import MAX_HEAD, Behind, Gateway
from .listeners import LoopThread, WebServer
from .loopback import bind
from .recorder import Recording


@dataclass(frozen=True)
class Ports:
    """Ports on 127.0.0.1; 0 takes any free one."""

    sign_in: int = 0
    gateway: int = 0
    identity: int = 0


ANY_FREE = Ports()


class Network:
    """Opens everything when made. `ports` are the real ones."""

    def __init__(
        self,
        site: Site,
        recording: Recording,
        tunnels: TunnelLookup,
        targets_of: Mapping[str, Collection[str]],
        callers: Collection[str],
        certificate: Path,
        ports: Ports,
    ) -> None:
        """`targets_of`: every host name, with the fault targets behind it; `callers`: who may name themselves."""
        sign_in, tls, impostor, identity, gateway = listeners = _bind(ports)
        self.ports = Ports(_port(sign_in), _port(gateway), _port(identity))
        self._recording, self._targets_of = recording, targets_of
        behind = Behind(_port(tls), _port(impostor))
        self._gateway = Gateway(
            targets_of, callers, behind, tunnels.by_port, recording.audit, recording.now, self._fault_of
        )
        self._identity = WebServer(site.identity, identity, admits=self._admits_to_identity)
        self._servers = [WebServer(site.hosts, tls, certificate), WebServer(site.sign_in, sign_in), self._identity]
        self._loop = LoopThread("emulators")
        try:
            self._entrances = self._loop.call(self._start(gateway, impostor))
        except BaseException:  # no listener must stay open
            self._loop.stop()
            for listener in listeners:
                listener.close()
            raise
        recording.faults.disconnect = lambda target: self._loop.run(lambda: self._disconnect(target))

    async def _start(self, gateway: socket, impostor: socket) -> list[asyncio.Server]:
        await asyncio.gather(*(server.start() for server in self._servers))
        tls = impostors_context(self._targets_of)
        return [
            await asyncio.start_server(_leave, sock=impostor, ssl=tls),
            await asyncio.start_server(self._gateway.serve, sock=gateway, limit=MAX_HEAD),
        ]

    def _fault_of(self, host: str) -> Fault | None:
        return self._recording.faults.take_on_connect(self._targets_of.get(host, ()))

    def _admits_to_identity(self) -> bool:
        fault = self._recording.faults.take_on_connect({"identity"})
        if fault is not None:
            at, port = self._recording.now(), self.ports.identity
            entry = Entry(at, "?", "identity", "-", f"127.0.0.1:{port}", "connect", 0, fault.describe(), 0.0)
            self._recording.audit.append(entry)
        return fault is None

    def _disconnect(self, target: str) -> None:
        if target == "identity":
            self._identity.disconnect()
        for host in (host for host, targets in self._targets_of.items() if target in targets):
            self._gateway.disconnect(host)

    def stop(self) -> None:
        """Ends every connection, frees the ports and ends the thread."""
        self._recording.faults.disconnect = None
        self._loop.call(self._stop())
        self._loop.stop()

    async def _stop(self) -> None:
        self._recording.stopping.set()
        for entrance in self._entrances:
            entrance.close()
        await self._gateway.stop()
        await asyncio.gather(*(server.stop() for server in self._servers))


async def _leave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """For a caller who has accepted any certificate."""
    writer.transport.abort()


def _bind(ports: Ports) -> list[socket]:
    wanted = (
        (ports.sign_in, "the sign-in pages"),
        (0, "the TLS server"),
        (0, "the TLS server that nobody trusts"),
        (ports.identity, "the managed-identity endpoint"),
        (ports.gateway, "the gateway"),
    )
    bound: list[socket] = []
    try:
        bound.extend(bind(port, what) for port, what in wanted)
    except OSError:
        for listener in bound:
            listener.close()
        raise
    return bound


def _port(listener: socket) -> int:
    port: int = listener.getsockname()[1]
    return port
