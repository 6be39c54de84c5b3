"""An API in this process, and a server for the Orders API."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from shared.exchange import azure_identity
from tests.support.lab import Lab

from .short_timeouts import ShortTimeouts

_RESPONSE = b'{"id": 1, "item": "tea", "note": "%s"}' % (b"long enough to drip " * 20)


class _Orders(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(_RESPONSE)))
        self.send_header("X-Note", "long enough to drip " * 20)
        self.end_headers()
        self.wfile.write(_RESPONSE)

    def log_message(self, *args: object) -> None:
        """Nothing: the audit trail has it."""


@pytest.fixture(scope="session")
def _orders() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Orders) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def timeouts(lab: Lab, _orders: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShortTimeouts]:
    """Everything that the API sends goes through here."""
    timeouts = ShortTimeouts(lab.clock)
    monkeypatch.setattr(azure_identity, "http_session", timeouts.session)
    lab.stack.route("orders", _orders)
    yield timeouts
    lab.stack.route("orders", None)
