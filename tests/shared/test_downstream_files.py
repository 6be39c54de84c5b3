"""Bodies from and into files: whole or an error, repeated only if they can be, never in memory whole."""

from __future__ import annotations

import asyncio
import io
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from shared.downstream.api import DownstreamApi
from shared.downstream.download import ByteStream
from shared.downstream.file_body import FileBody
from shared.errors import ApiError, BadGateway, GatewayTimeout, NotFound, ServiceUnavailable, UnsendableError
from shared.hosting.response import reply_to
from shared.net.deadline import within
from shared.sessions import RequestContext
from shared.telemetry.request_record import RequestRecord
from shared.user.async_api import AsyncByteStream
from shared.user.async_user import AsyncUser
from tests.support.lab import Lab
from tests.support.wire import RESPONSE, Wire, listening

MEGABYTE = b"x" * 1024 * 1024
BOUND = 8 * 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def wire(lab: Lab, tmp_path: Path) -> Iterator[tuple[Wire, DownstreamApi, AsyncUser]]:
    """An API of its own on the wire, called by a user whose token is known already."""
    environ, proxies = lab.environ(), ("HTTPS_PROXY", "https_proxy")
    with pytest.MonkeyPatch.context() as changes, listening(tmp_path, changes) as wire:
        for name in (*proxies, "REQUESTS_CA_BUNDLE"):
            changes.setenv(name, environ[name])  # while the token is exchanged
        services = lab.services(DownstreamApis__Graph__BaseUrl=f"https://localhost:{wire.port}")
        token = lab.stack.issue_access_token("alice")
        lab.user(services, token).token("Graph")
        for name in proxies:
            changes.delenv(name)
        changes.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "wire.pem"))
        context = RequestContext(services.sessions, services.sessions.open(token), token, RequestRecord())
        yield wire, lab.user(services, token).api("Graph"), AsyncUser(context, services.apis)


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode()


def sends(*parts: bytes) -> Callable[[ssl.SSLSocket], None]:
    def reply(secure: ssl.SSLSocket) -> None:
        for part in parts:
            secure.sendall(part)
        secure.close()
        raise OSError

    return reply


def sends_megabytes(count: int) -> Callable[[ssl.SSLSocket], None]:
    def reply(secure: ssl.SSLSocket) -> None:
        secure.sendall(head("200 OK", f"Content-Length: {count * len(MEGABYTE)}", "Content-Type: video/mp4"))
        for _ in range(count):
            secure.sendall(MEGABYTE)

    return reply


class Counted(io.RawIOBase):
    """A file that keeps nothing of what is written to it, and makes up what is read."""

    def __init__(self, size: int = 0) -> None:
        self.written, self.left, self.largest = 0, size, 0

    def write(self, data: Any) -> int:
        self.written += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size)
        taken = min(size, self.left)
        self.left -= taken
        return b"x" * taken


Api = tuple[Wire, DownstreamApi, AsyncUser]


def test_64_mib_go_into_a_file_and_memory_stays_flat(wire: Api) -> None:
    server, api, _ = wire
    server.reply, file = sends_megabytes(64), Counted()
    tracemalloc.start()
    try:
        answer = api.download("/a", cast(BinaryIO, file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "video/mp4", b"")
    assert file.written == 64 * len(MEGABYTE)
    assert peak < BOUND
    assert b"Accept-Encoding: identity" in server.taken()[0]


def test_an_async_user_awaits_a_download(wire: Api) -> None:
    server, _, user = wire
    server.reply, file = sends_megabytes(2), Counted()
    asyncio.run(user.api("Graph").download("/a/{id}", cast(BinaryIO, file), path_params={"id": "b/c"}))
    assert file.written == 2 * len(MEGABYTE)
    assert server.taken()[0].startswith(b"GET /a/b%2Fc HTTP/1.1\r\n")


def test_a_body_comes_piece_by_piece(wire: Api) -> None:
    server, api, user = wire
    server.reply = sends_megabytes(2)
    with api.stream("/a", params={"v": "1"}, headers={"Range": "bytes=0-"}) as chunks:
        assert (chunks.status_code, chunks.headers["Content-Type"]) == (200, "video/mp4")
        pieces = list(chunks)
    assert b"".join(pieces) == MEGABYTE * 2
    assert len(pieces) > 8
    request = server.taken()[0]
    assert request.startswith(b"GET /a?v=1 HTTP/1.1\r\n")
    assert b"Range: bytes=0-" in request

    async def collect() -> bytes:
        async with user.api("Graph").stream("/a") as chunks:
            assert chunks.status_code == 200
            return b"".join([piece async for piece in chunks])

    assert asyncio.run(collect()) == MEGABYTE * 2


def test_a_stream_that_is_left_early_does_not_disturb_the_next_call(wire: Api) -> None:
    server, api, _ = wire
    server.reply = sends_megabytes(2)
    with api.stream("/a") as chunks:
        assert next(chunks)
    assert list(chunks) == []
    server.reply = lambda secure: secure.sendall(RESPONSE)
    assert api.get("/b").json() == {}


class HangingStream:
    """In place of a ByteStream whose API is silent until `go`. Notes whether it was closed while a thread read."""

    status_code, headers = 200, dict[str, str]()

    def __init__(self, hangs_on: str) -> None:
        self.hangs_on, self.is_busy = hangs_on, threading.Event()
        self.go, self.was_closed, self.closed_while_busy = threading.Event(), threading.Event(), False

    def _wait(self, step: str) -> None:
        if step == self.hangs_on:
            self.is_busy.set()
            self.go.wait(30)
            self.is_busy.clear()

    def __enter__(self) -> HangingStream:
        self._wait("enter")
        return self

    def __next__(self) -> bytes:
        self._wait("next")
        return b"x"

    def __exit__(self, *_: object) -> None:
        self.closed_while_busy |= self.is_busy.is_set()
        self.was_closed.set()


@pytest.mark.parametrize("step", ["enter", "next"])
def test_leaving_a_stream_that_hangs_does_not_stop_the_event_loop(step: str) -> None:
    """To close a body waits for the thread that reads it, as long as a timeout. That thread closes it instead."""
    stream = HangingStream(step)

    async def run() -> None:
        async def read() -> None:
            async with AsyncByteStream(cast(ByteStream, stream), asyncio.to_thread) as chunks:
                async for _ in chunks:
                    pass

        task = asyncio.ensure_future(read())
        while not stream.is_busy.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not stream.was_closed.is_set()
        stream.go.set()

    asyncio.run(run())
    assert stream.was_closed.wait(30)
    assert not stream.closed_while_busy


def test_a_body_above_max_bytes_is_a_bad_gateway(wire: Api) -> None:
    server, api, _ = wire
    server.reply = sends_megabytes(2)
    assert api.download("/a", cast(BinaryIO, Counted()), max_bytes=2 * len(MEGABYTE)).status_code == 200
    with pytest.raises(BadGateway, match="too large"):
        api.download("/a", cast(BinaryIO, Counted()), max_bytes=2 * len(MEGABYTE) - 1)


@pytest.mark.parametrize(
    "reply",
    [
        sends(head("200 OK", "Content-Length: 50"), b"part"),
        sends(head("200 OK", CHUNKED), b"4\r\npart\r\n"),
        sends(head("200 OK", "Content-Encoding: gzip", "Content-Length: 6"), b"secret"),
    ],
)
def test_a_body_that_breaks_off_is_a_bad_gateway_and_is_not_begun_again(wire: Api, reply: Callable[..., None]) -> None:
    server, api, _ = wire
    server.reply = reply
    with pytest.raises(BadGateway) as raised:
        api.download("/a", cast(BinaryIO, Counted()))
    assert "secret" not in str(raised.value)
    assert len(server.taken()) == 1


def test_a_body_that_goes_on_beyond_the_deadline_is_a_time_out(wire: Api, lab: Lab) -> None:
    server, api, _ = wire
    server.reply = sends_megabytes(2)
    with within(60, lab.clock), api.stream("/a") as chunks:
        next(chunks)
        lab.clock.forward(61)
        with pytest.raises(GatewayTimeout):
            list(chunks)


def test_a_body_may_take_longer_than_one_time_out(wire: Api, lab: Lab) -> None:
    """18 seconds are for a response that is read at once; here the next piece is what has a timeout."""
    server, api, _ = wire
    server.reply = sends_megabytes(2)
    with within(60, lab.clock), api.stream("/a") as chunks:
        next(chunks)
        lab.clock.forward(40)
        assert sum(map(len, chunks)) > len(MEGABYTE)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        ("404 Not Found", [], NotFound),
        ("302 Found", ["Location: https://files.example/"], BadGateway),
        ("429 Too Many Requests", ["Retry-After: 60"], ServiceUnavailable),
    ],
)
def test_an_error_is_that_of_any_call_and_nothing_is_written(
    wire: Api, status: str, headers: list[str], kind: type[ApiError]
) -> None:
    server, api, _ = wire
    server.reply, file = sends(head(status, *headers, "Content-Length: 4"), b"gone"), Counted()
    with pytest.raises(kind):
        api.download("/a", cast(BinaryIO, file))
    assert file.written == 0


def test_a_download_is_tried_again_before_its_body_begins(wire: Api) -> None:
    server, api, _ = wire
    replies = [sends(head("503 Busy", "Content-Length: 0")), sends_megabytes(1)]
    server.reply = lambda secure: replies.pop(0)(secure)
    file = Counted()
    api.download("/a", cast(BinaryIO, file))
    assert file.written == len(MEGABYTE)


def test_a_stream_is_not_passed_on(wire: Api) -> None:
    server, api, _ = wire
    server.reply = sends_megabytes(1)
    with api.stream("/a") as chunks, pytest.raises(UnsendableError, match="ByteStream"):
        reply_to(chunks)


def reads_chunks(secure: ssl.SSLSocket, answer: bytes = RESPONSE) -> None:
    """Reads a body in chunks to its end, keeps nothing, then responds."""
    last = b""
    while not last.endswith(b"0\r\n\r\n"):
        last = last[-8:] + secure.recv(256 * 1024)
    secure.sendall(answer)


def test_64_mib_are_sent_from_a_pipe_and_memory_stays_flat(wire: Api) -> None:
    server, api, _ = wire
    server.reply, file = reads_chunks, Counted(64 * len(MEGABYTE))
    tracemalloc.start()
    try:
        answer = api.put("/a", data=cast(BinaryIO, file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 200
    assert (file.left, file.largest <= 1024 * 1024) == (0, True)
    assert peak < BOUND
    assert b"transfer-encoding: chunked" in server.taken()[0].lower()


@pytest.mark.parametrize(("content", "start"), [(b"abcdef", 0), (b"abcdef", 2), (MEGABYTE, 0), (b"", 0), (b"abc", 3)])
def test_a_file_that_can_be_rewound_is_sent_with_its_length(wire: Api, content: bytes, start: int) -> None:
    server, api, _ = wire
    file = io.BytesIO(content)
    file.seek(start)
    api.post("/a", data=file, headers={"Content-Type": "image/png"})
    sent, _, body = server.taken()[0].partition(b"\r\n\r\n")
    assert f"\r\nContent-Length: {len(content) - start}" in sent.decode()
    assert b"chunked" not in sent.lower()
    assert b"Content-Type: image/png" in sent
    assert body == content[start:]


def test_a_file_on_disk_is_sent_and_stays_open(wire: Api, tmp_path: Path) -> None:
    server, _, user = wire
    (tmp_path / "a").write_bytes(MEGABYTE)
    with (tmp_path / "a").open("rb") as file:
        asyncio.run(cast(Any, user.api("Graph").put("/a", data=file)))
        assert not file.closed
    assert server.taken()[0].endswith(b"\r\n\r\n" + MEGABYTE)


def test_a_file_that_can_be_rewound_is_sent_again(wire: Api) -> None:
    server, api, _ = wire
    replies = [head("503 Busy", "Content-Length: 0"), RESPONSE]
    server.reply = lambda secure: secure.sendall(replies.pop(0))
    file = io.BytesIO(b"_abc")
    file.seek(1)
    assert api.put("/a", data=file).status_code == 200
    assert [request.partition(b"\r\n\r\n")[2] for request in server.taken()] == [b"abc"] * 2


def test_a_pipe_is_sent_once_even_by_put(wire: Api) -> None:
    server, api, _ = wire
    server.reply = lambda secure: reads_chunks(secure, head("503 Busy", "Content-Length: 0"))
    with pytest.raises(BadGateway):
        api.put("/a", data=cast(BinaryIO, Counted(3)))
    assert len(server.taken()) == 1


def test_a_challenge_is_passed_on_where_the_file_cannot_be_sent_again(wire: Api) -> None:
    server, api, _ = wire
    claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ=="
    challenge = f'WWW-Authenticate: Bearer error="insufficient_claims", claims="{claims}"'
    server.reply = lambda secure: reads_chunks(secure, head("401 Unauthorized", challenge, "Content-Length: 0"))
    with pytest.raises(ApiError):
        api.put("/a", data=cast(BinaryIO, Counted(3)))
    assert len(server.taken()) == 1


@pytest.mark.parametrize("data", ["text", io.StringIO("text"), 7, ["a"], {"a": 1}])
def test_what_is_no_binary_file_is_a_type_error_before_anything_is_sent(wire: Api, data: Any) -> None:
    server, api, _ = wire
    with pytest.raises(TypeError, match="binary"):
        api.post("/a", data=data)
    assert server.taken() == []


def test_a_body_is_never_longer_than_its_length() -> None:
    """What came after it would be taken for the next request."""
    file = io.BytesIO(b"abc")
    body = FileBody(file)
    file.seek(0, io.SEEK_END)
    file.write(b"GET /evil")
    body.rewind()
    assert (body.len, b"".join(body)) == (3, b"abc")


def test_a_file_that_became_shorter_is_an_error() -> None:
    file = io.BytesIO(b"abc")
    body = FileBody(file)
    file.truncate(1)
    with pytest.raises(OSError, match="shorter"):
        b"".join(body)


def test_after_the_deadline_no_more_of_a_file_is_sent(lab: Lab) -> None:
    body = FileBody(io.BytesIO(MEGABYTE))
    with within(60, lab.clock):
        assert len(body.read(10)) == 10
        lab.clock.forward(61)
        with pytest.raises(TimeoutError):
            body.read(10)
