"""A reverse proxy for the host name of one API of the table. It forwards requests to the API and checks no token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import h11
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .canned import Canned, StandIn
from .refused_tokens import RefusedTokens
from .requests_io import bearer, json_reply, note
from .table import FILE, DownstreamApi

TIMEOUT = 60.0
MAX_REPLY = 40_000_000
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authorization proxy-authenticate te trailer transfer-encoding upgrade".split()
)
"""Headers that concern one connection only (RFC 9110, 7.6.1)."""
REWRITTEN = HOP_BY_HOP | {b"content-length", b"date", b"server"}


class ApiProxy:
    """A reverse proxy with one target, which can be changed while it runs."""

    def __init__(self, api: DownstreamApi) -> None:
        self.api = api
        self.target = api.url
        self.canned = Canned(api.base_path)
        self.stand_in: StandIn | None = None
        """Responds in place of the API, in tests."""
        self.refused_tokens = RefusedTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one HTTP request."""
        request = Request(scope, receive)
        reply = await self._forward(request)
        await reply(scope, receive, send)

    async def _forward(self, request: Request) -> Response:
        written = note(request)
        written.action = self.api.key
        token = bearer(request)
        if token is not None and not self.refused_tokens.accepts(token):
            written.verdict = "refused: invalid_token"
            return json_reply({"code": "invalid_token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if self.stand_in is not None:
            return self.stand_in.respond(request)
        if self.target is None:
            written.verdict = f"no {self.api.title} is running"
            return json_reply({"error": f"The {self.api.title} is not running."}, 503)
        try:
            reply = await asyncio.wait_for(self._exchange(self.target, request), TIMEOUT)
        except TimeoutError:
            written.verdict = f"the {self.api.title} did not respond in {TIMEOUT:g} s"
            return json_reply({"error": f"The {self.api.title} did not respond in time."}, 504)
        except (OSError, EOFError, h11.ProtocolError) as problem:
            written.verdict = f"the {self.api.title} cannot be reached: {type(problem).__name__}{self._advice()}"
            return json_reply({"error": f"The {self.api.title} cannot be reached."}, 502)
        written.verdict = _verdict(self.api, reply)
        return reply

    def _advice(self) -> str:
        return f"; start it at {self.api.url}, or correct its address in {FILE} or --api" if self.api.url else ""

    async def _exchange(self, target: str, request: Request) -> Response:
        where = urlsplit(target)
        reader, writer = await asyncio.open_connection(where.hostname, where.port or 80)
        try:
            connection = h11.Connection(h11.CLIENT)
            for event in (_head(self.api, request), h11.Data(data=await request.body()), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await _read(connection, reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _head(api: DownstreamApi, request: Request) -> h11.Request:
    headers = [(name, value) for name, value in request.headers.raw if name not in HOP_BY_HOP]
    if not any(name == b"content-length" for name, _ in headers) and request.method in ("POST", "PUT", "PATCH"):
        headers.append((b"content-length", b"0"))
    headers += [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", api.host.encode())]
    headers.append((b"connection", b"close"))
    path = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope["query_string"]
    return h11.Request(method=request.method, target=path + (b"?" + query if query else b""), headers=headers)


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Response:
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_REPLY:
                raise EOFError("the reply is too large")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _reply(head.status_code, head.headers, bytes(body))
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError("the connection ended early")


def _reply(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Response:
    reply = Response(body, status)
    kept = [(name, value) for name, value in headers if name not in REWRITTEN]
    reply.raw_headers = kept if status in (204, 304) else [*kept, (b"content-length", str(len(body)).encode())]
    return reply


def _verdict(api: DownstreamApi, reply: Response) -> str:
    if reply.status_code < 400:
        return f"ok: {reply.status_code} from the {api.title}"
    try:
        code = json.loads(bytes(reply.body))["code"]
    except (ValueError, KeyError, TypeError):
        code = "no reason given"
    return f"refused by the {api.title}: {code}"
