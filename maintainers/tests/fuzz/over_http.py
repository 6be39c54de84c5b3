"""Requests as no client library would send them, byte by byte to the running API."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.leaks import LeakWatch
from tests.support.live import Live

from .case import MARK, Case, Figures
from .values import one_of_these

T = TypeVar("T")

TIMEOUT = 0.4  # seconds without a byte: the server waits for more, and so would we
HEALTHY = {"status": "healthy"}
BEHIND = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""Sent after each request: whatever the request is taken for, this must stay a request of its own, or unanswered."""

METHODS = (
    "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "PRI", "", "G\u00c9T", "A" * 300,
    "GET /api/health", "\tGET",
)  # fmt: skip
PATHS = (
    "/API/ME", "/api/me/", "//api/me", "/api//me", "/api/./me", "/api/x/../me", "/api/%6de", "/api/me%00", "/api/me;x",
    "/api/me%2f", "/api%2fme", "/api/me?token=x", "/api/me#x", "*", "/", "", "/admin/host/status", "/api/me\\",
    "http://localhost/api/me", "http://evil.example/api/me", "evil.example:443", "/api/me\u00e9", "/api/\uff4de",
    "/api/" + "a" * 9_000, "/api/me?" + "a=b&" * 3_000, "/%c0%ae%c0%ae/", "/api/me HTTP/1.1\r\nX: y",
    "/runtime/webhooks/x", "/api/orders?x=%ff", "/api/me?\xff",
)  # fmt: skip
VERSIONS = ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1x", "", "http/1.1")
VALUES = (
    "", "Bearer", "Bearer ", "Bearer \u00e9", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic YTpi", "Bearer a, Bearer b",
    "Bearer " + "a." * 9_000, "Bearer a\tb", "Bearer \x00", "Bearer a\rb", "Bearer a\r\n b", "Bearer a\nX: y",
    "Bearer a\x7f", "bearer \u00a0", "\tBearer a", "Negotiate x", MARK, f"Bearer {MARK}", "Bearer a.b.c",
    "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA", "Bearer " + "A" * 40_000,
)  # fmt: skip
HEADERS = (
    ("Content-Length", "0"), ("Content-Length", "5"), ("Content-Length", "-1"), ("Content-Length", "5, 5"),
    ("Content-Length", "+5"), ("Content-Length", "0x5"), ("Content-Length", "9" * 30), ("Content-Length", "\u00b2"),
    ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked, identity"), ("Transfer-Encoding", "xchunked"),
    ("Transfer-Encoding ", "chunked"), ("Transfer-encoding", "\tchunked"), ("Host", "evil.example"), ("Host", ""),
    ("Expect", "100-continue"), ("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("Range", "bytes=0-0"),
    ("X-Original-URL", "/api/health"), ("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Host", "evil.example"),
    ("X-MS-CLIENT-PRINCIPAL", "eyJhdXRoX3R5cCI6ImFhZCJ9"), ("X-MS-TOKEN-AAD-ACCESS-TOKEN", "x"), ("traceparent", MARK),
    ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"), ("Cookie", "AppServiceAuthSession=x"), ("", "x"),
    ("Content-Type", "application/json; charset=utf-16"), ("Content-Encoding", "gzip"), ("x-functions-key", "x"),
    ("\u00e9", "x"), ("X Y", "x"), ("X:Y", "x"), ("X", "a" * 20_000), ("X\x00", "x"), (" folded", "x"), ("X", "\xff"),
    ("Connection", "keep-alive"),
)  # fmt: skip
BODIES = (
    b"{}", b"hello", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFF\r\nx\r\n0\r\n", b"-1\r\nx\r\n",
    b"5;x=y\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n", b"5\nhello\n0\n\n", b"[" * 20_000,
    b"0\r\n\r\nGET /api/me HTTP/1.1\r\nHost: x\r\n\r\n", b'{"item":"\xff"}', b"\x16\x03\x01\x02\x00\x01\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A request in its pieces. `genuine`: how good tokens go in, if at all; never so that they may count."""

    method: str
    path: str
    version: str
    authorization: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    end: str
    genuine: str

    def data(self, token: str) -> bytes:
        lines = [f"{self.method} {self.path} {self.version}".rstrip(" "), "Host: localhost"]
        lines += [f"Authorization: {value}" for value in self.authorization]
        lines += {
            "no": [],
            "twice": [f"Authorization: Bearer {token}"] * 2,
            "twice in one": [f"Authorization: Bearer {token}, Bearer {token}"],
            "as Basic": [f"Authorization: Basic {token}"],
            "without a scheme": [f"Authorization: {token}"],
            "in another header": [f"X-Authorization: Bearer {token}", f"Proxy-Authorization: Bearer {token}"],
            "in a cookie": [f"Cookie: Authorization=Bearer {token}"],
            "folded": ["Authorization: Bearer", f" {token}x"],
            "in a trailer": ["Trailer: Authorization"],
            "with a space before the colon": [f"Authorization : Bearer {token}"],
            "and more": [f"Authorization: Bearer {token}", "Authorization: Basic YTpi"],
        }[self.genuine]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return (self.end.join(lines) + self.end * 2).encode("latin-1", "replace") + self.body


GOOD_TOKENS = (
    "twice", "twice in one", "as Basic", "without a scheme", "in another header", "in a cookie", "folded",
    "in a trailer", "with a space before the colon", "and more",
)  # fmt: skip


def mostly(usual: T, odd: SearchStrategy[T]) -> SearchStrategy[T]:
    """An oddity one time in four: with more of them, each request would fail at the first."""
    return st.tuples(st.integers(0, 3), odd).map(lambda drawn: usual if drawn[0] else drawn[1])


requests: SearchStrategy[Sent] = st.builds(
    Sent,
    mostly("GET", one_of_these(METHODS)),
    mostly("/api/me", one_of_these(PATHS) | st.text(max_size=10).map("/api/{}".format)),
    mostly("HTTP/1.1", st.sampled_from(VERSIONS)),
    st.lists(one_of_these(VALUES), max_size=2).map(tuple),
    mostly((), st.lists(one_of_these(HEADERS), max_size=3).map(tuple)),
    mostly(b"", one_of_these(BODIES)),
    mostly("\r\n", st.sampled_from(["\n", "\r", "\r\n\r\n"])),
    mostly("no", st.sampled_from(GOOD_TOKENS)),
)


def exchange(url: str, data: bytes) -> bytes:
    """All that the server sends until it closes the connection or stops."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=TIMEOUT) as connection:
        received = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65_536):
                received += chunk
        except OSError:  # silence, or a reset of a server that has had enough
            pass
        return received


def replies(received: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each response, one after the other."""
    found = []
    while received.startswith(b"HTTP/1.1 "):
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body, received = body_of(headers, rest)
        found.append((int(lines[0].split(" ")[1]), headers, body))
    return found


def body_of(headers: Mapping[str, str], rest: bytes) -> tuple[bytes, bytes]:
    """The body of a reply, and what comes after it. A reply of a function is sent in chunks (RFC 9112 §7.1)."""
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", len(rest)))
        return rest[:length], rest[length:]
    body = b""
    while rest and not rest.startswith(b"HTTP/1.1 "):  # a response to HEAD has the header and no chunk
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if length == 0:
            break
    return body, rest


def is_ours(status: int, headers: dict[str, str], body: bytes) -> bool:
    """Whether a stranger may get this: the one 401, health, or a refusal without a word of ours."""
    if status == 200:
        return bool(json.loads(body) == HEALTHY)
    if status == 401:
        problem: dict[str, Any] = json.loads(body) if body else {"code": "missing_token"}  # HEAD has no body
        challenge = headers["www-authenticate"]
        good = re.fullmatch(r'Bearer realm="[0-9a-f-]{36}"(, error="invalid_token")?', challenge)
        return (
            bool(good)
            and problem["code"] in ("missing_token", "invalid_token")
            and headers["cache-control"] == "no-store"
        )
    return status in (100, 204, 400, 404, 405, 408, 411, 413, 414, 417, 421, 426, 431, 501, 505) and len(body) < 500


def is_the_hosts(sent: Sent, status: int, headers: dict[str, str], body: bytes) -> bool:
    """What the real host says before any function is asked: its home page, its own routes, HTTP/1.0 without a Host."""
    if status == 200:
        return headers.get("content-type") == "text/html" and b"app is up and running" in body
    is_its_own_route = any(route in sent.path.lower() for route in ("/admin/", "/runtime/webhooks/"))
    is_known = (status == 401 and is_its_own_route) or (status == 500 and sent.version == "HTTP/1.0")
    return is_known and headers.get("content-length") == "0"


def cases(live: Live, watch: LeakWatch) -> list[Case]:
    token = live.stack.issue_access_token("alice", lifetime=86_400)

    def check(sent: Sent, figures: Figures) -> None:
        mark = live.stack.audit.mark()
        received = figures.of(lambda: exchange(live.api, sent.data(token) + BEHIND))
        watch.scan(received.decode("latin-1"), "answer to a random request")
        assert MARK.encode() not in received
        for status, headers, body in replies(received):
            if not is_the_hosts(sent, status, headers, body):
                figures.answered(status)
                assert is_ours(status, headers, body), (status, headers, body)
        assert live.exchanges(mark) == 0

    return [Case("HTTP", requests, check, 60)]
