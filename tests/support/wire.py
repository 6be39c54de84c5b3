"""A TLS listener that keeps every byte of a request, which an HTTP server would not show."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Wire:
    """Sends the same 200 to each request, unless `reply` is another response. Keeps connections alive."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.current = threading.local()
        """Of the request that `reply` responds to: `request`, and `first`, what the first reads brought of it.

        Each connection has a thread of its own.
        """
        self.reply: Callable[[ssl.SSLSocket], object] = lambda secure: secure.sendall(RESPONSE)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def taken(self) -> list[bytes]:
        """The requests since the last time this was asked."""
        requests, self.requests = self.requests, []
        return requests

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), name="wire", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                while self._response(secure):
                    pass
        except OSError:  # they hung up, or never meant to speak TLS
            connection.close()

    def _response(self, secure: ssl.SSLSocket) -> bool:
        """One request, as far as it says itself how long it is."""
        received = b""
        while b"\r\n\r\n" not in received:
            more = secure.recv(65_536)
            if not more:
                return False
            received += more
        self.current.first = received
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += secure.recv(65_536)
        self.current.request = head + b"\r\n\r\n" + body
        self.requests.append(self.current.request)
        self.reply(secure)
        return True


@contextmanager
def listening(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """One that this process trusts as `localhost`, and reaches without a proxy."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "wire.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "wire.pem"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    wire = Wire(context)
    try:
        yield wire
    finally:
        wire.close()
