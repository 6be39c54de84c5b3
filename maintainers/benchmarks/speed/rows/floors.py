"""The floors on this machine: times that no Python code can be faster than."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.exchange.certificate import load_certificate
from shared.services import Services
from shared.settings.settings import Settings

from ..raw import hashing, signing, verifying
from ..result import Result, compared
from ..rounds import WALL, in_turns
from ..tenant import tenant

_HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n"
_REQUEST, _REPLY_BYTES = _HEAD + b"x" * 4000, 2000


def measure(quick: bool) -> Iterator[Result]:
    """All four."""
    with tenant() as there, _loop_back() as post:
        services = Services(Settings.from_environ(os.environ))
        token = there.tokens(1)[0]
        key = services.sessions.open(token).access_token.key.key
        calls = {
            "sha256": hashing(token),
            "verify": verifying(token, key),
            "sign": signing(load_certificate(there.pfx()).key),
        }
        rounds = 3 if quick else 15
        taken = {**in_turns(calls, rounds, quick), **in_turns({"post": post}, rounds, quick, WALL)}
    for name, seconds in taken.items():
        yield compared(name, "time", seconds)


@contextmanager
def _loop_back() -> Iterator[Callable[[], object]]:
    """A POST to a server that only counts bytes: the system's share of an exchange."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def post() -> None:
                client.sendall(_REQUEST)
                _read(client, _REPLY_BYTES)

            yield post


def _serve(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while _read(connection, len(_REQUEST)):
            connection.sendall(b"y" * _REPLY_BYTES)


def _read(connection: socket.socket, size: int) -> bool:
    while size:
        chunk = connection.recv(size)
        if not chunk:
            return False
        size -= len(chunk)
    return True
