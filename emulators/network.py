"""The listeners of one stack: the gateway, the TLS front behind it, the door, and the managed-identity endpoint."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from .assembly import Site, TunnelLookup
from .gateway import MAX_HEAD, Gateway
from .listeners import LoopThread, WebServer
from .loopback import bind
from .watch import Watch


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
        self, site: Site, watch: Watch, tunnels: TunnelLookup, hosts: frozenset[str], certificate: Path, ports: Ports
    ) -> None:
        door, front, identity, gateway = _bind(ports)
        self.ports = Ports(_port(door), _port(gateway), _port(identity))
        self._watch = watch
        self._gateway = Gateway(hosts, _port(front), tunnels.by_port, watch.audit, watch.now)
        self._servers = [
            WebServer(site.fronts, front, certificate),
            WebServer(site.door, door),
            WebServer(site.identity, identity),
        ]
        self._loop = LoopThread("emulators")
        try:
            self._entrance = self._loop.call(self._start(gateway))
        except BaseException:  # half a network must not stay behind
            self._loop.stop()
            for listener in (door, front, identity, gateway):
                listener.close()
            raise

    async def _start(self, gateway: socket) -> asyncio.Server:
        await asyncio.gather(*(server.start() for server in self._servers))
        return await asyncio.start_server(self._gateway.serve, sock=gateway, limit=MAX_HEAD)

    def stop(self) -> None:
        """Ends every connection, frees the ports and ends the thread."""
        self._loop.call(self._stop())
        self._loop.stop()

    async def _stop(self) -> None:
        self._watch.stopping.set()
        self._entrance.close()
        await self._gateway.stop()
        await asyncio.gather(*(server.stop() for server in self._servers))


def _bind(ports: Ports) -> list[socket]:
    wanted = (
        (ports.sign_in, "the sign-in pages"),
        (0, "the TLS front"),
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
