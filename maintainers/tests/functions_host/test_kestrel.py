"""The limits and refusals of the real host's HTTP server, on bytes that no client library would send."""

from __future__ import annotations

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import connect, send, status_of
from maintainers.tests.functions_host.conftest import Serve

APP = """
    @app.route("ok/{*rest}")
    def ok(req):
        return "fine"
"""


@pytest.fixture(scope="module")
def host(serve: Serve) -> FunctionsHost:
    """The app above."""
    return serve(APP)


def line_of(size: int) -> str:
    """A request line of that many bytes, its line break included."""
    start, end = "GET /api/ok/", " HTTP/1.1\r\n"
    return start + "x" * (size - len(start) - len(end)) + end


def headers_of(size: int) -> str:
    """Headers of that many bytes, the empty line included."""
    start = "Host: x\r\nX: "
    return start + "y" * (size - len(start) - 4) + "\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (line_of(8192) + "Host: x\r\n\r\n", 200),
        (line_of(8193) + "Host: x\r\n\r\n", 414),
        ("GET /api/ok/" + "x" * 9000, 414),
        ("GET /api/ok HTTP/1.1\r\n" + headers_of(32 * 1024 + 2), 200),
        ("GET /api/ok HTTP/1.1\r\n" + headers_of(32 * 1024 + 3), 431),
        ("GET /api/ok HTTP/1.1\r\nHost: x\r\nX: " + "y" * 1_000_000, 431),
        ("GET /api/ok HTTP/1.1\r\nHost: x\r\n" + "A: 1\r\n" * 99 + "\r\n", 200),
        ("GET /api/ok HTTP/1.1\r\nHost: x\r\n" + "A: 1\r\n" * 100 + "\r\n", 431),
        ("GET /api/ok HTTP/1.1\r\nHost: x\r\nA: 1\r\n folded\r\n\r\n", 400),
        ("GET /api/ok HTTP/1.1\r\n\r\n", 400),
        ("GET /api/ok HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        ("GET /api/ok HTTP/1.0\r\n\r\n", 500),
        ("GET /api/ok HTTP/1.0\r\nHost: x\r\n\r\n", 200),
        ("GET /api/ok HTTP/0.9\r\n\r\n", 505),
        ("GET /api/ok HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET /api/ok/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http://x/api/ok HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET http://x/api/ok?q=http://y HTTP/1.1\r\nHost: x:80\r\n\r\n", 200),
        ("GET http://other/api/ok HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET ftp://x/api/ok HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET api/ok HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("nonsense\r\n\r\n", 400),
        (b"GET /api/ok HTTP/1.1\r\nHost: x\r\nA: \xe9\xff\r\n\r\n", 400),
        (b"GET /api/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
def test_what_never_reaches_a_function(host: FunctionsHost, request_: str | bytes, status: int) -> None:
    response = send(host, request_)
    assert status_of(response) == status
    assert b"\r\nServer: Kestrel\r\n" in response
    if status in (400, 414, 431):
        assert b"\r\nConnection: close\r\n" in response
        assert b"\r\nContent-Length: 0\r\n" in response


def test_requests_on_one_connection_are_answered_in_order(host: FunctionsHost) -> None:
    responses = send(host, "GET /api/ok HTTP/1.1\r\nHost: x\r\n\r\nGET /api/no HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [responses.find(b"HTTP/1.1 200 OK"), responses.count(b"HTTP/1.1 ")] == [0, 2]
    assert b"HTTP/1.1 404 Not Found" in responses


def test_http_1_0_gets_no_chunks_and_the_connection_ends(host: FunctionsHost) -> None:
    with connect(host) as connection:
        connection.sendall(b"GET /api/ok HTTP/1.0\r\nHost: x\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert b"chunked" not in received
    assert received.endswith(b"\r\n\r\nfine")
