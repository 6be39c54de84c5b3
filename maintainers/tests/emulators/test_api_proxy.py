"""The proxy of the Orders API's host name."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from emulators.stack import Stack

from .support import Http

ORDERS = "https://orders-local.azurewebsites.net/api/orders"


class Echo(BaseHTTPRequestHandler):
    """Responds with what it was sent. The path chooses the status."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """The same for every method."""
        self.do_GET()

    def do_GET(self) -> None:
        """Echoes the request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        seen = {"path": self.path, "body": body, "headers": {k.lower(): v for k, v in self.headers.items()}}
        status = 401 if "refuse" in self.path else 201 if self.command == "POST" else 200
        response = json.dumps({**seen, "code": "invalid_token"} if status == 401 else seen).encode()
        self.send_response(status)
        self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Connection", "X-Secret-Hop")
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Silent."""


@pytest.fixture
def routed(stack: Stack) -> Iterator[str]:
    """An Orders API behind the proxy; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        stack.route("orders", address)
        yield address
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("routed")
def test_a_token_that_was_shown_before_can_be_refused_and_a_new_one_is_not(stack: Stack, own: Http) -> None:
    shown, fresh = (stack.issue_access_token("olga", app="orders") for _ in range(2))
    assert own.get(ORDERS, shown).status_code == 200
    stack.apis["orders"].refused_tokens.refuse_seen()
    refused = own.get(ORDERS, shown)
    assert (refused.status_code, refused.json()) == (401, {"code": "invalid_token"})
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert own.get(ORDERS, fresh).status_code == 200


@pytest.mark.usefixtures("routed")
def test_hands_requests_on(stack: Stack, own: Http) -> None:
    token = stack.issue_access_token("olga", app="orders")
    mark = stack.audit.mark()
    headers = {"Authorization": f"Bearer {token}", "TE": "trailers"}
    reply = own.session.post(f"{ORDERS}?a=1&b=%2F", data='{"x": 1}', headers=headers, timeout=10)
    seen = reply.json()

    assert reply.status_code == 201
    assert (seen["path"], seen["body"]) == ("/api/orders?a=1&b=%2F", '{"x": 1}')
    assert seen["headers"]["host"] == "orders-local.azurewebsites.net"
    assert seen["headers"]["x-forwarded-proto"] == "https"
    assert seen["headers"]["authorization"] == f"Bearer {token}"
    assert not {"proxy-authorization", "te"} & seen["headers"].keys()
    assert reply.headers["www-authenticate"] == "Bearer"
    entry = stack.audit.entries(mark)[-1]
    assert (entry.caller, entry.service, entry.person, entry.status) == ("api", "orders", "olga", 201)
    assert entry.verdict == "ok: 201 from the Orders API"
    assert entry.path == "/api/orders"


@pytest.mark.usefixtures("routed")
def test_hands_refusals_on_with_their_reason(stack: Stack, own: Http) -> None:
    assert own.get(f"{ORDERS}/refuse").status_code == 401
    assert stack.audit.entries()[-1].verdict == "refused by the Orders API: invalid_token"


def test_without_an_orders_api(stack: Stack, own: Http) -> None:
    assert own.get(ORDERS).status_code == 503
    stack.route("orders", "http://127.0.0.1:1")
    assert own.get(ORDERS).status_code == 502
    assert "cannot be reached" in stack.audit.entries()[-1].verdict
    stack.route("orders", None)
    assert own.get(ORDERS).status_code == 503
