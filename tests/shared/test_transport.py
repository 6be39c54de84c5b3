"""The transport, against a server that records every byte: what is sent, to which host, and for how long."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.net import deadline_http
from shared.net.deadline import seconds_left, within
from shared.net.transport import ResponseTooLarge, Transport, TransportError, TransportTimeout
from tests.support.clock import Clock
from tests.support.lab import at_once
from tests.support.wire import RESPONSE, Wire, listening

MEGABYTE = b"x" * 1024 * 1024
KEPT = 8


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with listening(tmp_path, monkeypatch) as wire:
        yield wire


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(now=Clock())
    yield transport
    transport.close()


def url(wire: Wire, path: str = "/") -> str:
    return f"https://localhost:{wire.port}{path}"


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode()


def answering(*parts: bytes) -> Callable[[ssl.SSLSocket], None]:
    """A reply of these bytes, after which the connection ends."""

    def reply(secure: ssl.SSLSocket) -> None:
        for part in parts:
            secure.sendall(part)
        secure.close()
        raise OSError

    return reply


def silent(_: ssl.SSLSocket) -> None:
    """No reply: the server waits for the next request."""


@pytest.mark.parametrize("start", ["http://", "HTTP://", " http://", "http:", "//", "", "file://", "httpss://"])
def test_only_https_is_called(transport: Transport, start: str) -> None:
    """No connection is made: the first packet of a plain request would already disclose the token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(ValueError, match="only https:// addresses are called"):
            transport.send("GET", f"{start}127.0.0.1:{listener.getsockname()[1]}/", bearer="token")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_request_is_sent_as_it_was_given(wire: Wire, transport: Transport) -> None:
    response = transport.send(
        "PUT", url(wire, "/a"), headers={"X-Note": "n"}, bearer="tok", params={"q": "1"}, data=b"d"
    )
    assert (response.status_code, response.json(), response.headers["content-type"]) == (200, {}, "application/json")
    (request,) = wire.taken()
    lines = request.decode().split("\r\n")
    assert lines[0] == "PUT /a?q=1 HTTP/1.1"
    assert {"X-Note: n", "Authorization: Bearer tok", "Content-Length: 1"} <= set(lines)
    assert lines[-1] == "d"


def test_without_a_token_none_is_sent_not_even_that_of_a_netrc_file(
    wire: Wire, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login mallory password hunter2\n", encoding="utf-8")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    transport.send("GET", url(wire))
    transport.send("GET", url(wire), bearer="tok")
    first, second = wire.taken()
    assert b"authorization" not in first.lower()
    assert second.lower().count(b"authorization:") == 1
    assert b"Authorization: Bearer tok\r\n" in second


def test_a_redirect_is_a_response(wire: Wire, transport: Transport) -> None:
    for location in (url(wire, "/elsewhere"), "/elsewhere", "http://[::1"):
        wire.reply = answering(head("302 Found", f"Location: {location}", "Content-Length: 4"), b"gone")
        response = transport.send("GET", url(wire), bearer="tok")
        assert (response.status_code, response.headers["Location"], response.content) == (302, location, b"gone")
        assert len(wire.taken()) == 1


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 Miscellaneous"])
def test_an_interim_response_is_not_the_response(wire: Wire, transport: Transport, interim: str) -> None:
    """Taken for it, it would leave the real one on the connection, for the next request of another user."""

    def reply(secure: ssl.SSLSocket) -> None:
        name = wire.current.request.rpartition(b"Bearer ")[2].split()[0]
        secure.sendall(head(interim, "Link: </style.css>") * 2)
        time.sleep(0.05)  # long enough for a client that takes the first head for the response
        secure.sendall(head("200 OK", f"Content-Length: {len(name)}") + name)

    wire.reply = reply
    for name in ("alice", "bob"):
        response = transport.send("GET", url(wire), bearer=name)
        assert (response.status_code, response.text) == (200, name)
    assert wire.connections == 1


def test_the_late_body_of_a_204_is_not_the_next_response(wire: Wire, transport: Transport) -> None:
    """HTTP forbids such a body. The connection ends, so that nobody else reads it."""
    wire.reply = lambda secure: secure.sendall(head("204 No Content", "Transfer-Encoding: chunked"))
    with pytest.raises(TransportError):
        transport.send("GET", url(wire))
    wire.reply = lambda secure: secure.sendall(head("204 No Content", "Content-Length: 5"))
    for _ in range(2):
        response = transport.send("GET", url(wire))
        assert (response.status_code, response.content) == (204, b"")
    assert wire.connections == 3


def test_what_comes_after_a_response_is_not_the_next_response(wire: Wire, transport: Transport) -> None:
    """Its first 8 KB are in the buffer of the reader, which is dropped. The rest is still in the TLS layer."""
    first, more = head("200 OK", "Content-Length: 2") + b"{}", head("200 OK", "Content-Length: 5") + b"other"
    wire.reply = lambda secure: secure.sendall(first.ljust(io.DEFAULT_BUFFER_SIZE, b"x") + more)
    for _ in range(2):
        assert transport.send("GET", url(wire)).content == b"{}"
    assert wire.connections == 2


def test_a_connection_is_kept_after_a_204_without_a_body(wire: Wire, transport: Transport) -> None:
    wire.reply = lambda secure: secure.sendall(head("204 No Content", "Content-Length: 0"))
    for _ in range(2):
        assert transport.send("GET", url(wire)).status_code == 204
    assert wire.connections == 1


@pytest.mark.parametrize("size", [b"-1", b"-5", b" -1", b"-ffffff"])
def test_a_chunk_with_a_negative_size_is_no_way_around_the_limit(wire: Wire, transport: Transport, size: bytes) -> None:
    sent: list[int] = []

    def reply(secure: ssl.SSLSocket) -> None:
        secure.sendall(head("200 OK", "Transfer-Encoding: chunked") + size + b"\r\n")
        for _ in range(64):
            secure.sendall(MEGABYTE)
            sent.append(1)

    wire.reply = reply
    with pytest.raises(TransportError):
        transport.send("GET", url(wire))
    assert len(sent) < 32  # what the operating system keeps


def test_another_protocol_is_no_response(wire: Wire, transport: Transport) -> None:
    wire.reply = lambda secure: secure.sendall(head("101 Switching Protocols", "Upgrade: h2c"))
    for _ in range(2):
        with pytest.raises(TransportError):
            transport.send("GET", url(wire))
    assert wire.connections == 2


def test_no_cookie_is_kept(wire: Wire, transport: Transport) -> None:
    wire.reply = lambda secure: secure.sendall(head("200 OK", "Set-Cookie: session=alice; Path=/", "Content-Length: 0"))
    for _ in range(2):
        assert transport.send("GET", url(wire)).headers["Set-Cookie"].startswith("session=alice")
    assert all(b"cookie" not in request.lower() for request in wire.taken())


def test_a_connection_is_used_again_until_the_transport_is_closed(wire: Wire) -> None:
    transport = Transport()
    for _ in range(3):
        transport.send("GET", url(wire))
    assert wire.connections == 1
    transport.close()
    transport.send("GET", url(wire))
    transport.close()
    assert wire.connections == 2


@pytest.mark.parametrize("size", [0, 1, 200_000, 16 * 1024 * 1024])
def test_a_response_of_16_mib_is_read_whole(wire: Wire, transport: Transport, size: int) -> None:
    body = (MEGABYTE * 16)[:size]
    wire.reply = answering(head("200 OK", f"Content-Length: {size}"), body)
    assert transport.send("GET", url(wire)).content == body


def test_a_larger_response_is_refused_at_that_byte(wire: Wire, transport: Transport) -> None:
    length = f"Content-Length: {16 * len(MEGABYTE) + 1}"
    wire.reply = answering(head("200 OK", length), *[MEGABYTE] * 16, b"x")
    with pytest.raises(ResponseTooLarge) as raised:
        transport.send("GET", url(wire))
    assert raised.value.may_repeat is False


@pytest.mark.parametrize("header", ["X-Note: as it is", "Content-Encoding: gzip", "Content-Length: 4, 4"])
def test_an_endless_response_is_not_read_to_its_end(wire: Wire, transport: Transport, header: str) -> None:
    """Neither on the wire, nor after a small response is decompressed. http.client reads no length from a list."""
    packed = "gzip" in header
    sent: list[int] = []
    done = threading.Event()

    def reply(secure: ssl.SSLSocket) -> None:
        try:
            secure.sendall(head("200 OK", header))
            for _ in range(64):
                secure.sendall(gzip.compress(MEGABYTE * 16) if packed else MEGABYTE)
                sent.append(1)
        finally:
            done.set()

    wire.reply = reply
    with pytest.raises(ResponseTooLarge):
        transport.send("GET", url(wire))
    if not packed:
        assert done.wait(30)
        assert len(sent) < 64


def test_no_response_in_time(wire: Wire) -> None:
    wire.reply = silent
    transport = Transport(connect=60, read=0.2)
    with pytest.raises(TransportTimeout) as raised:
        transport.send("GET", url(wire), bearer="tok")
    transport.close()
    assert str(raised.value) == "ReadTimeoutError"
    assert (raised.value.may_repeat, raised.value.cut_short) == (False, False)
    assert len(wire.taken()) == 1


def test_a_response_may_take_longer_than_to_connect(wire: Wire) -> None:
    """And the next one on the same connection, too: each timeout counts for itself."""

    def reply(secure: ssl.SSLSocket) -> None:
        time.sleep(0.3)
        secure.sendall(RESPONSE)

    wire.reply = reply
    transport = Transport(connect=0.2, read=5)
    assert [transport.send("GET", url(wire)).status_code for _ in range(2)] == [200, 200]
    transport.close()


def test_less_time_than_usual_near_the_deadline(wire: Wire) -> None:
    wire.reply = silent
    transport = Transport(connect=5, read=15)
    with within(0.2, Clock()):
        assert list(transport.timeouts()) == [pytest.approx(0.2)] * 2
        with pytest.raises(TransportTimeout) as raised:
            transport.send("GET", url(wire))
    transport.close()
    assert raised.value.cut_short is True


def test_the_time_outs_are_those_of_the_docs() -> None:
    assert Transport().timeouts() == (3.05, 15.0)


@pytest.mark.parametrize("late", [0, 1, 50])
def test_after_the_deadline_nothing_is_sent(wire: Wire, transport: Transport, late: float) -> None:
    clock = Clock()
    with within(10, clock):
        clock.forward(10 + late)
        with pytest.raises(TransportTimeout, match="no time left") as raised:
            transport.send("GET", url(wire))
    assert (raised.value.cut_short, wire.taken(), wire.connections) == (True, [], 0)


def test_up_to_the_deadline_it_is_sent(wire: Wire, transport: Transport) -> None:
    clock = Clock()
    with within(10, clock):
        clock.forward(9.5)
        assert transport.send("GET", url(wire)).status_code == 200


class Body(io.BytesIO):
    """Asks, while it is sent, how much time is left for this request."""

    left: float = 0
    len = 1

    def read(self, size: int | None = -1) -> bytes:
        self.left = seconds_left(1000)
        return super().read(size)


@pytest.mark.parametrize(("of_the_request", "left"), [(60, 18.05), (10, 10)])
def test_connecting_sending_and_reading_share_18_seconds_or_what_is_left(
    wire: Wire, transport: Transport, of_the_request: float, left: float
) -> None:
    body = Body(b"x")
    with within(of_the_request, Clock()):
        transport.send("POST", url(wire), data=body)
    assert body.left == pytest.approx(left)
    assert wire.taken()[0].endswith(b"\r\n\r\nx")


BROKEN: dict[str, Callable[[ssl.SSLSocket], None]] = {
    "hung up": answering(),
    "cut in the status line": answering(b"HTTP/1.1 200 OK"),
    "cut after the status line": answering(b"HTTP/1.1 200 OK\r\n"),
    "cut in a header": answering(b"HTTP/1.1 200 OK\r\nX-Id: 1\r\nContent-Le"),
    "cut between headers": answering(b"HTTP/1.1 200 OK\r\nX-Id: 1\r\n"),
    "cut in the headers of a refusal": answering(b"HTTP/1.1 401 Unauthorized\r\nX-Id: 1\r\n"),
    "cut in the trailer": answering(head("200 OK", "Transfer-Encoding: chunked"), b"1\r\nx\r\n0\r\nX-Id: 1\r\n"),
    "cut in the body": answering(head("200 OK", "Content-Length: 50"), b"part"),
    "cut between chunks": answering(head("200 OK", "Transfer-Encoding: chunked"), b"4\r\npart\r\n"),
    "no chunk": answering(head("200 OK", "Transfer-Encoding: chunked"), b"secret\r\n"),
    "not gzip": answering(head("200 OK", "Content-Encoding: gzip", "Content-Length: 6"), b"secret"),
    "not HTTP": answering(b"secret\r\n\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_response_is_an_error_by_kind_and_sent_once(
    wire: Wire, transport: Transport, name: str
) -> None:
    wire.reply = BROKEN[name]
    with pytest.raises(TransportError) as raised:
        transport.send("GET", url(wire, "/private"), bearer="tok")
    assert (type(raised.value), raised.value.may_repeat) == (TransportError, True)
    assert str(raised.value).isidentifier()  # no address, no header, nothing of the response
    assert len(wire.taken()) == 1


def test_a_body_may_end_with_the_connection(wire: Wire, transport: Transport) -> None:
    """RFC 9112 §6.3: without a length, the server closes the connection after the body."""
    wire.reply = answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"whole")
    response = transport.send("GET", url(wire))
    assert (response.status_code, response.content, response.headers["Content-Type"]) == (200, b"whole", "text/plain")


def test_nobody_there(transport: Transport, wire: Wire) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match=r"^NewConnectionError: the connection was refused$"):
            transport.send("GET", f"https://localhost:{closed.getsockname()[1]}/")


def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    wire: Wire, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(TransportError, match=r"^SSLError: TLS: the certificate is of an unknown authority, perhaps"):
        transport.send("GET", url(wire), bearer="tok")
    assert wire.taken() == []


def test_a_certificate_for_another_name_is_not_trusted(wire: Wire, transport: Transport) -> None:
    with pytest.raises(TransportError, match=r"^SSLError: TLS: the certificate is for another host$"):
        transport.send("GET", f"https://127.0.0.1:{wire.port}/", bearer="tok")
    assert wire.taken() == []


def test_a_file_of_authorities_that_is_not_there_is_a_failure_without_its_name(
    wire: Wire, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    told = r"^FileNotFoundError: TLS: there is no file at the path in REQUESTS_CA_BUNDLE$"
    with pytest.raises(TransportError, match=told):
        transport.send("GET", url(wire))


@pytest.mark.parametrize(
    "request_of",
    [
        {"url": "https://"},
        {"url": "https://[::1/"},
        {"url": "https://a b/"},
        {"bearer": "secret\r\nX-Evil: 1"},
        {"bearer": "secret\u20ac"},
        {"headers": {"X": "secret\r\nX-Evil: 1"}},
        {"method": "GET secret HTTP/1.1\r\n"},
    ],
    ids=repr,
)
def test_what_cannot_be_sent_is_a_value_error_that_quotes_nothing(
    wire: Wire, transport: Transport, request_of: dict[str, str]
) -> None:
    options = {"method": "GET", "url": url(wire, "/private"), **request_of}
    with pytest.raises(ValueError, match=r"^a header or the (address|method) is not valid$"):
        transport.send(**options)  # type: ignore[arg-type]  # one of the rows has headers
    assert wire.taken() == []


def test_silence_in_the_middle_of_a_response_is_a_time_out(wire: Wire) -> None:
    wire.reply = lambda secure: secure.sendall(head("200 OK", "Content-Length: 50") + b"part")
    transport = Transport(connect=5, read=0.2)
    with pytest.raises(TransportTimeout):
        transport.send("GET", url(wire))
    transport.close()


@pytest.mark.parametrize(("at_a_time", "made"), [(KEPT, KEPT), (KEPT + 1, KEPT + 2)])
def test_connections_are_kept(wire: Wire, monkeypatch: pytest.MonkeyPatch, at_a_time: int, made: int) -> None:
    assert deadline_http._CONNECTIONS == 128
    monkeypatch.setattr(deadline_http, "_CONNECTIONS", KEPT)
    transport = Transport()
    together = threading.Barrier(at_a_time)

    def reply(secure: ssl.SSLSocket) -> None:
        together.wait(30)
        secure.sendall(RESPONSE)

    wire.reply = reply
    for _ in range(2):
        assert {
            response.status_code for response in at_once(at_a_time, lambda _: transport.send("GET", url(wire)))
        } == {200}
    assert wire.connections == made
    transport.close()


@pytest.mark.parametrize("size", [1, 12 * 1024])
def test_the_head_of_a_request_and_a_short_body_are_one_write(wire: Wire, transport: Transport, size: int) -> None:
    """Each write is a TLS record, and the server gets each record by itself."""
    first: list[bytes] = []

    def reply(secure: ssl.SSLSocket) -> None:
        first.append(wire.current.first)
        secure.sendall(RESPONSE)

    wire.reply = reply
    for body in (b"x" * size, b"y" * (12 * 1024 + 1), b"z" * size):
        assert transport.send("POST", url(wire), data=body).status_code == 200
    requests = wire.taken()
    assert [request.rpartition(b"\r\n\r\n")[2][:1] for request in requests] == [b"x", b"y", b"z"]
    assert (first[0], first[2]) == (requests[0], requests[2])
    assert first[1] == requests[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_after_a_request_that_cannot_be_sent_comes_the_next_alone(wire: Wire, transport: Transport) -> None:
    transport.send("POST", url(wire), data=b"first")
    with pytest.raises(ValueError, match="not valid"):
        transport.send("POST", url(wire), headers={"X-Note": "a\r\nb"}, data=b"secret")
    transport.send("POST", url(wire), data=b"third")
    requests = wire.taken()
    assert [request.rpartition(b"\r\n\r\n")[2] for request in requests] == [b"first", b"third"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 4", "Content-Length: 4"], b"body"),
        (["Content-Length: 999", "Transfer-Encoding: chunked"], b"4\r\nbody\r\n0\r\n\r\n"),
        (["Content-Length: 24", "Content-Encoding: gzip"], gzip.compress(b"body", mtime=0)),
        (["Content-Length: 4", "Content-Encoding: identity"], b"body"),
    ],
)
def test_an_unusual_length_is_the_length_all_the_same(
    wire: Wire, transport: Transport, headers: list[str], body: bytes
) -> None:
    wire.reply = lambda secure: secure.sendall(head("200 OK", *headers) + body)
    assert [transport.send("GET", url(wire)).content for _ in range(2)] == [b"body"] * 2
