"""Connections that keep to the deadline.

A socket's time-out holds for one read. Against an answer that drips in byte by byte it is no bound at all, so here each
read, of headers and of the body, gets no more than what is left of the deadline; and all that it takes to connect, one
time-out together. Only resolving a name is the platform's own.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from .deadline import seconds_left

_IDLE_SECONDS = 60  # before a probe: Azure forgets a silent connection after four minutes without telling either end
_LEAST_SECONDS = 0.001  # a socket's time-out of 0 would mean not to wait at all


class _DeadlineReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, reader: io.RawIOBase) -> None:
        self._socket, self._reader = connection, reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        timeout = self._socket.gettimeout()
        if timeout is not None:
            left = seconds_left(timeout)
            if left <= 0:
                raise TimeoutError("the deadline is over")
            self._socket.settimeout(left)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _WholeLines(io.BufferedReader):
    """Reads lines of HTTP: status, headers, sizes of chunks. One without a line feed at its end was cut off.

    http.client takes the end of the connection for the end of the headers: a response that was cut inside them would
    be an empty one with the status that it began with.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError("the connection ended inside the head of a response")
        return line


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _WholeLines(_DeadlineReader(sock, self.fp.detach()))


class _OneTimeOut:
    """urllib3 gives the time-out to each address of a name, and to the TLS handshake once more. Here they share it."""

    _dns_host: str
    timeout: Any

    def _new_conn(self) -> socket.socket:
        host, timeout = self._dns_host, self.timeout
        end, addresses = time.monotonic() + seconds_left(timeout), self._addresses()
        try:
            while True:
                self._dns_host = addresses.pop(0)
                self.timeout = _until(end) / (1 + len(addresses))
                try:
                    connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # HTTPConnection's
                except (NewConnectionError, ConnectTimeoutError):
                    if not addresses:
                        raise
                else:
                    connected.settimeout(_until(end))
                    return connected
        finally:
            self._dns_host, self.timeout = host, timeout

    def _addresses(self) -> list[str]:
        """Those that the name has; the name itself when it has none, which is then an error in urllib3's own words."""
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), None, type=socket.SOCK_STREAM)
        except OSError:
            return [self._dns_host]
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Connection(_OneTimeOut, HTTPConnection):
    response_class = _DeadlineResponse


class _SecureConnection(_OneTimeOut, HTTPSConnection):
    response_class = _DeadlineResponse


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _until(end: float) -> float:
    return max(end - time.monotonic(), _LEAST_SECONDS)


def socket_options() -> list[tuple[int, int, int]]:
    """Probes on idle connections, as far as this system has the switches."""
    wanted = {"TCP_KEEPIDLE": _IDLE_SECONDS, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    probes = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)
    ]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]
