"""One connection, with the limits of Kestrel, the real host's HTTP server. h11 reads and writes HTTP.

Source of the limits: KestrelServerLimits, and the 104,857,600 bytes that the Functions host sets for bodies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http import HTTPStatus

import h11

from emulators.functions_host.replies import Reply
from emulators.functions_host.requests import BodyRefused, ClientGone, Request
from emulators.functions_host.targets import BadTarget, split_target

Respond = Callable[[Request], Awaitable[Reply]]

REQUEST_LINE = 8 * 1024
HEADERS = 32 * 1024
HEADER_COUNT = 100
KEEP_ALIVE = 130.0  # seconds
_LINGER = 1.0  # seconds for a client to read why it is refused
_DRAIN = 5.0  # seconds for the rest of a body that nobody has read
_CHUNK = 256 * 1024


@dataclass(frozen=True)
class BodyLimits:
    """How large a request's body may be, and how slow. A test gives others instead of waiting."""

    size: int = 104_857_600
    grace: float = 5.0  # seconds, before the rate counts
    rate: float = 240.0  # bytes a second


class Refused(Exception):  # noqa: N818 - named for what happens to the request
    """The request never reaches the host; the connection ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection:
    """Serves the requests of one client, one after another."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond, limits: BodyLimits
    ) -> None:
        self._reader, self._writer, self._respond, self._limits = reader, writer, respond, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * (REQUEST_LINE + HEADERS))
        self._body_is_left = False
        self._is_spent = False
        self._is_head = False
        self.busy = False

    async def serve(self) -> None:
        """Returns when the connection is to be closed."""
        with contextlib.suppress(ClientGone, ConnectionError, asyncio.TimeoutError):
            try:
                while await self._one_request():
                    self.busy = False
                    self._http.start_next_cycle()
            except (Refused, h11.RemoteProtocolError) as refusal:
                status = refusal.status if isinstance(refusal, Refused) else 400
                await self._send(Reply(status, ((b"Content-Length", b"0"), (b"Connection", b"close"))))
                await self._linger()

    async def _one_request(self) -> bool:
        """Whether the connection may be used again."""
        event = await self._next_event(KEEP_ALIVE)
        if not isinstance(event, h11.Request):  # the client has closed
            return False
        self.busy = True
        request = self._request(event)
        waits_for_continue = self._http.they_are_waiting_for_100_continue
        reply = await self._respond(request)
        await self._send(reply)
        if self._is_spent or self._http.our_state is h11.MUST_CLOSE:
            return False
        if waits_for_continue and self._body_is_left:
            return False  # nobody knows whether the client will send it now
        return await self._drain()

    def _request(self, event: h11.Request) -> Request:
        self._body_is_left, self._is_head = True, event.method == b"HEAD"
        if event.http_version not in (b"1.0", b"1.1"):
            raise Refused(505)
        try:
            method, target = event.method.decode("ascii"), event.target.decode("ascii")
            headers = tuple((name.decode("ascii"), value.decode("utf-8")) for name, value in event.headers)
            host = dict(headers).get("host", "")
            path, query = split_target(method, target, host)
            length = int(dict(headers).get("content-length", "0"))
        except (UnicodeDecodeError, BadTarget):
            raise Refused(400) from None
        return Request(method, path, query, headers, partial(self._body, length))

    async def _body(self, length: int) -> bytes:
        """The request's body, of that Content-Length.

        Raises BodyRefused when it is too large or too slow, ClientGone when it breaks off.
        """
        if length > self._limits.size:
            raise BodyRefused(f"the body has {length:,} bytes, more than {self._limits.size:,}")
        loop, chunks, received = asyncio.get_running_loop(), list[bytes](), 0
        began, limits = loop.time(), self._limits
        self._body_is_left = False
        while True:
            bound = began + max(limits.grace, received / limits.rate) - loop.time()
            try:
                event = await self._next_event(bound)
            except TimeoutError:
                self._is_spent = True
                raise BodyRefused("the body comes more slowly than Kestrel's minimum rate") from None
            if isinstance(event, h11.EndOfMessage):
                return b"".join(chunks)
            if not isinstance(event, h11.Data):
                raise ClientGone
            received += len(event.data)
            chunks.append(bytes(event.data))

    async def _next_event(self, bound: float) -> object:
        """What h11 makes of the bytes so far, or of the next. Raises TimeoutError, Refused, h11.RemoteProtocolError."""
        while True:
            if self._http.their_state is h11.IDLE:
                check_head(self._http.trailing_data[0])
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                self._writer.write(self._http.send(go_on) or b"")
            data = await asyncio.wait_for(self._reader.read(_CHUNK), bound)
            if not data and self._http.their_state is not h11.IDLE:
                raise ClientGone
            self._http.receive_data(data)

    async def _drain(self) -> bool:
        """Read what is left of a body, so that the next request can be found."""
        try:
            await asyncio.wait_for(self._rest_of_body(), _DRAIN)
        except (TimeoutError, h11.RemoteProtocolError):
            return False
        return self._http.their_state is h11.DONE

    async def _rest_of_body(self) -> None:
        while self._http.their_state is h11.SEND_BODY:
            await self._next_event(_DRAIN)

    async def _send(self, reply: Reply) -> None:
        fixed = [(b"Date", formatdate(usegmt=True).encode()), (b"Server", b"Kestrel")]
        known = 200 <= reply.status < 1000  # h11 writes no other status; it frames the message all the same
        response = h11.Response(
            status_code=reply.status if known else 200, headers=[*reply.headers, *fixed], reason=b""
        )
        head = (self._http.send(response) or b"").partition(b"\r\n")[2]
        has_body = reply.body and not self._is_head
        body = (self._http.send(h11.Data(data=reply.body)) or b"") if has_body else b""
        self._writer.write(_status_line(reply.status) + head + body + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()

    async def _linger(self) -> None:
        """Closing with bytes unread would reset the connection, and the refusal with it."""
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            self._writer.write_eof()
            await asyncio.wait_for(self._rest_of_connection(), _LINGER)

    async def _rest_of_connection(self) -> None:
        while await self._reader.read(_CHUNK):
            pass


def check_head(head: bytes) -> None:
    """Raises Refused when request line or headers, as far as they have come, are over Kestrel's limits."""
    line, _, rest = head.partition(b"\n")
    if len(line) + 1 > REQUEST_LINE:
        raise Refused(414)
    block, end, _ = rest.partition(b"\r\n\r\n")
    if len(block) + len(end) > HEADERS + 2 or block.count(b"\n") + bool(end) > HEADER_COUNT:
        raise Refused(431)
    if b"\r\n " in b"\r\n" + block or b"\r\n\t" in b"\r\n" + block:
        raise Refused(400)  # a folded header, which h11 would take


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()
