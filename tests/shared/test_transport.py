"""The one way out, where it must stay closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.transport import Transport


class Listener(HTTPServer):
    """Answers whatever comes in plain HTTP with 200, and keeps the paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Heard)
        self.heard: list[str] = []


class Heard(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.heard.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("start", ["http://", "HTTP://", " http://", "http:", "//", "", "file://", "httpss://"])
def test_only_https_is_called(listener: Listener, start: str) -> None:
    """There is somebody who would answer."""
    with pytest.raises(ValueError, match="only https://"):
        Transport().send("GET", f"{start}127.0.0.1:{listener.server_port}/secret", bearer="a.b.c")
    assert listener.heard == []
