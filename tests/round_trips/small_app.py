"""A small Functions app of a test's own, served over HTTP from this process, so that the test can move its clock."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

Function = Callable[..., Any]


@contextmanager
def served(functions: Mapping[str, Function]) -> Iterator[str]:
    """Serves decorated functions at their paths, as the host would hand them requests; the address to call."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            headers, params = dict(self.headers.items()), dict(parse_qsl(parts.query))
            request = func.HttpRequest(self.command, self.path, headers=headers, params=params, body=body)
            self.answer(_run(functions[parts.path], request))

        def answer(self, reply: func.HttpResponse) -> None:
            content = reply.get_body()
            self.send_response(reply.status_code)
            for name, value in {"Content-Type": reply.mimetype, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any  # noqa: N815 -- the names http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's own parameter
            """Quiet."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _run(function: Function, request: func.HttpRequest) -> func.HttpResponse:
    result = function(req=request)
    reply: func.HttpResponse = asyncio.run(result) if inspect.iscoroutine(result) else result
    return reply
