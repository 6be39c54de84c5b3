"""A small HTTP server on 127.0.0.1, in this process: responses from a function, or a list of them in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

Response = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body."""


class Received(NamedTuple):
    """One recorded request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Sends the given responses in order, and records the requests."""

    def __init__(self, *responses: Response) -> None:
        self.responses = list(responses)
        self.requests: list[Received] = []
        self.url = ""

    def response(self, request: Received) -> Response:
        self.requests.append(request)
        return self.responses.pop(0)


@contextmanager
def serving(*responses: Response) -> Iterator[Server]:
    """A server with these responses."""
    server = Server(*responses)
    with answering(server.response) as server.url:
        yield server


@contextmanager
def answering(response: Callable[[Received], Response]) -> Iterator[str]:
    """The address of a server that gives each request to `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = response(Received(self.command, self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any  # noqa: N815 -- the names http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's own parameter
            """Logs nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
