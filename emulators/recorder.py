"""The recorder around every service: buffers the request, applies faults, and records the audit entry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .audit import Audit, Entry
from .fault import DRIPS, Fault, put_into
from .fault_reply import fault_reply
from .faults import Faults
from .listeners import TRANSPORT
from .misbehaving import Misbehaving
from .requests_io import NOTE, Note, bearer, fingerprint
from .wire import Wire

logger = logging.getLogger(__name__)
MAX_BODY = 1_000_000
MAX_FILE = 40_000_000
"""The largest body for services that take files."""
PeekPerson = Callable[[Request, bytes], "str | None"]


@dataclass
class Recording:
    """What all services share. `stopping` ends every artificial delay at once."""

    audit: Audit
    faults: Faults
    now: Callable[[], float]
    caller_of: Callable[[Scope], str]
    arrived: Callable[[str, Request, bytes], None] | None = None
    """Told of every request to a service, with its body, before anything is decided; for tests."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class Recorded:
    """An ASGI application with a recorder. `target`: the fault target of a path. `person`: the person of a request."""

    def __init__(
        self,
        app: ASGIApp,
        service: str,
        recording: Recording,
        target: Callable[[str], str | None],
        person: PeekPerson,
        max_body: int = MAX_BODY,
    ) -> None:
        self._app = app
        self._service = service
        self._recording = recording
        self._target = target
        self._person = person
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one HTTP request; there are no other kinds."""
        if scope["type"] != "http":
            return
        note = scope[NOTE] = Note()
        recorded = _Recorder(self._recording, self._service, scope, note, send)
        request = Request(scope, receive)
        body = await _whole_body(request, self._max_body)
        if body is None:
            note.verdict = "refused: the body is too large"
            await Response(status_code=413)(scope, receive, recorded.send)
            return
        if self._recording.arrived is not None:
            self._recording.arrived(self._service, request, body)
        note.person = self._person(request, body)
        if token := bearer(request):
            note.details["bearer"] = fingerprint(token)
        fault = self._recording.faults.take(self._target(scope["path"]), note.person)
        try:
            if fault is not None:
                recorded.prefix = fault.describe()
                put_into(scope, fault)
                await self._suffer(fault, scope, body, receive, recorded)
            else:
                await self._handle(self._app, scope, _replay(body, receive), recorded)
        finally:
            recorded.record(0)

    async def _suffer(self, fault: Fault, scope: Scope, body: bytes, receive: Receive, recorder: _Recorder) -> None:
        app = self._app if fault.status is None else fault_reply(fault, fault.status)
        replay, bad = _replay(body, receive), Misbehaving(app, fault, receive, recorder.record)
        if fault.network not in DRIPS:
            await self._pause(fault.delay)
        if fault.network is None:
            await self._handle(app, scope, replay, recorder)
        elif fault.network == "hang":
            await self._handle(bad.hang, scope, replay, recorder)
        else:
            wire = Wire(scope["state"][TRANSPORT], self._recording.faults.dripped)
            await bad.respond(scope, replay, wire)

    async def _handle(self, app: ASGIApp, scope: Scope, receive: Receive, recorder: _Recorder) -> None:
        try:
            await app(scope, receive, recorder.send)
        except Exception:  # a bug of an emulator: the caller gets a 500, the log gets the traceback
            logger.exception("The emulated %s failed", self._service)
            if not recorder.recorded:
                await Response(status_code=500)(scope, receive, recorder.send)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0 and not self._recording.faults.delayed(seconds):
            try:
                await asyncio.wait_for(self._recording.stopping.wait(), seconds)
            except TimeoutError:
                return


class _Recorder:
    """Forwards the reply, and records the request once: just before the reply starts, or when none came."""

    def __init__(self, recording: Recording, service: str, scope: Scope, note: Note, send: Send) -> None:
        self._recording = recording
        self._service = service
        self._scope = scope
        self._note = note
        self._began_at, self._started = recording.now(), time.perf_counter()
        self._send = send
        self.recorded = False
        self.prefix = ""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.record(message["status"])
        await self._send(message)

    def record(self, status: int) -> None:
        if self.recorded:
            return
        self.recorded = True
        note, scope = self._note, self._scope
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        verdict = note.verdict or ("no reply: the caller went away" if not status else f"status {status}")
        seconds = time.perf_counter() - self._started
        entry = Entry(
            at=self._began_at + seconds,  # not read again: entries are put in the order in which they began
            caller=note.caller or self._recording.caller_of(scope),
            service=self._service,
            method=scope["method"],
            path=path,
            action=note.action if note.action != "?" else path.rstrip("/").rpartition("/")[2],
            status=status,
            verdict="; ".join(part for part in (self.prefix, note.verdict or ("" if self.prefix else verdict)) if part),
            ms=seconds * 1000,
            person=note.person,
            details=dict(note.details),
        )
        self._recording.audit.append(entry)


async def _whole_body(request: Request, limit: int) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
