"""Plain HTTP calls: no proxy, no added header, repeated headers allowed, and raw bytes."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from emulators.functions_host import FunctionsHost

Headers = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Response:
    """A reply, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def call(url: str, method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Response:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        return Response(reply.status, reply.headers, reply.read())
    finally:
        connection.close()


def connect(host: FunctionsHost) -> socket.socket:
    """A connection to the host."""
    parts = urlsplit(host.url)
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=30)


def send(host: FunctionsHost, request: str | bytes) -> bytes:
    """Everything the host sends for these bytes, until it has seen that no more will come."""
    received = b""
    with connect(host) as connection:
        connection.sendall(request.encode() if isinstance(request, str) else request)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def status_of(response: bytes) -> int:
    """The status of a response that `send` has returned."""
    return int(response.split(b" ", 2)[1])
