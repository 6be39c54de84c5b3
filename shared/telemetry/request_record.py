"""One request as an operator sees it: its correlation id, its line in the log, and its trace for OpenTelemetry.

    request function=me method=GET status=200 ms=131 user=… correlation_id=… tokens=Graph:miss:82ms calls=Graph:200:34ms

The line has no token, address or message of another service. Of claims it holds only ids. Of errors it holds our own
code and reason. `user` is a pseudonym, or the object id with `AzureAd__EnablePiiLogging`. docs/errors.md explains the
fields.
"""

from __future__ import annotations

import json
import logging
import random
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from threading import get_ident
from time import perf_counter
from typing import Any

from ..errors import ApiError
from .operator_notes import notes, request_thread

MAX_ENTRIES = 20  # of tokens, and of calls, in one line; further ones are counted

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?", re.ASCII
)

_NOTHING: AbstractContextManager[None] = nullcontext()

log = logging.getLogger(__name__)


class RequestRecord:
    """The record of one request. The correlation id is the trace id of W3C Trace Context, written as a GUID.

    So one value finds the request in Application Insights (`operation_Id`), in Entra's sign-in log, in downstream APIs'
    logs and in the error response. https://www.w3.org/TR/trace-context/#traceparent-header
    """

    # What most requests leave as it is:
    user = "-"
    agent = ""  # the client id of an agent that calls for the user
    tenant = ""  # the id of the user's tenant, where several tenants may call
    _caller = _tool = ""
    _queued_ms = 0
    _failure: Exception | None = None

    def __init__(self, function: str = "-", method: str = "-", traceparent: str = "") -> None:
        """From now on, the log lines of this thread belong to the request.

        `traceparent`: the header of the request. Without a valid one, a new trace begins.
        """
        request_thread.set(get_ident())
        match = _TRACEPARENT.fullmatch(traceparent)
        trace, self._flags = match.groups() if match else (secrets.token_hex(16), "01")
        self._function, self.method, self._trace_id = function, method, trace
        self._tokens: list[str] = []
        self._calls: list[str] = []
        self._started = perf_counter()

    @cached_property
    def correlation_id(self) -> str:
        """The trace id as a GUID."""
        trace = self._trace_id
        return f"{trace[:8]}-{trace[8:12]}-{trace[12:16]}-{trace[16:20]}-{trace[20:]}"

    def traceparent(self) -> str:
        """The `traceparent` header for a downstream call: a new span of the same trace."""
        span = random.getrandbits(64)  # a name, and no secret: OpenTelemetry makes them in this way, too
        return f"00-{self._trace_id}-{span:016x}-{self._flags}"

    def caller_is_app(self, name: str) -> None:
        """The caller is an application. `name`: its pseudonym, or its object id."""
        self.user, self._caller = name, "app"

    @property
    def has_calls(self) -> bool:
        """Whether a token was needed, or an API was called."""
        return bool(self._tokens or self._calls)

    def token_was_known(self, api: str) -> None:
        self._tokens.append(f"{api}:hit")

    def token_took(self, api: str, origin: str, since: float) -> None:
        """The token for `api` came from `origin` (`shared`, `miss`). `since`: perf_counter() when the wait began."""
        self._tokens.append(f"{api}:{origin}:{_milliseconds(since)}ms")

    def call_ended(self, api: str, outcome: object, since: float) -> None:
        """A call of `api` ended with this status, `timeout` or `unanswered`. `since`: perf_counter() at its start."""
        self._calls.append(f"{api}:{outcome}:{_milliseconds(since)}ms")

    def queued(self, since: float) -> None:
        """A downstream call of an `async def` function waited for a thread. `since`: perf_counter() at its start."""
        self._queued_ms = max(self._queued_ms, _milliseconds(since))

    def tool_called(self, name: str) -> None:
        """The request calls a tool. `name` is a tool that the app declares, never a text that a caller sent."""
        self._tool = name

    def tool_failed(self, error: Exception) -> None:
        """The tool failed. The caller gets the error as the tool's result, with status 200."""
        self._failure = error

    def close(self, status: int, error: BaseException | None = None) -> None:
        """Writes the line, with the traceback of an unexpected error. Then writes the operator notes."""
        self._write_line(status, error)
        if notes.waiting:
            notes.deliver()

    def _write_line(self, status: int, error: BaseException | None) -> None:
        if error is None and self._failure is not None:
            error = self._failure
            level = _level(error.status if isinstance(error, ApiError) else ApiError.status)
        else:
            level = _level(status)
        if not log.isEnabledFor(level):
            return
        line = (
            f"function={self._function} method={self.method} status={status} ms={_milliseconds(self._started)} "
            f"user={self.user} correlation_id={self.correlation_id}"
        )
        unexpected = error if error is not None and not isinstance(error, ApiError) else None
        if unexpected is not None and error is self._failure:
            unexpected = _without_text(unexpected)
        code, reason = _code_and_reason(error) if error is not None else ("", "")
        more = (
            ("tool", self._tool),
            ("caller", self._caller),
            ("tenant", self.tenant),
            ("agent", self.agent),
            ("tokens", _some_of(self._tokens)),
            ("calls", _some_of(self._calls)),
            ("queued", f"{self._queued_ms}ms" if self._queued_ms else ""),
            ("code", code),
            ("reason", reason),
        )
        line += "".join(f" {name}={value}" for name, value in more if value)
        trace = None if unexpected is None else (type(unexpected), unexpected, unexpected.__traceback__)
        # What Logger.log does, without its search of the stack for a caller, which is always this function.
        log.handle(log.makeRecord(log.name, level, __file__, 0, "request %s", (line,), trace, "_write_line"))


def _without_text(error: BaseException) -> BaseException:
    """An error with this traceback, but without the text, which may repeat what a model wrote."""
    kind = type(error).__name__
    shown = RuntimeError(f"{kind}; its text is left out, because it may repeat an argument of the tool")
    return shown.with_traceback(error.__traceback__)


def _level(status: int) -> int:
    return logging.INFO if status < 500 else logging.ERROR if status == 500 else logging.WARNING


def _code_and_reason(error: BaseException) -> tuple[str, str]:
    """The code and reason of an error. If it is not an ApiError, only its type. Its text is in the traceback alone."""
    if isinstance(error, ApiError):
        return error.code, json.dumps(error.reason) if error.reason else ""
    return ApiError.code, type(error).__name__


def _milliseconds(since: float) -> int:
    return round((perf_counter() - since) * 1000)


def _some_of(entries: list[str]) -> str:
    further = len(entries) - MAX_ENTRIES
    return ",".join(entries) if further <= 0 else f"{','.join(entries[:MAX_ENTRIES])},+{further}"


def worker_trace(context: Any) -> AbstractContextManager[None]:
    """Attaches the request's trace to this thread for OpenTelemetry, unless a span is already active.

    Since Python 3.13 the worker attaches the host's trace context on its event loop alone. Threads that run `def`
    functions do not inherit it (azure_functions_runtime 1.3, handle_event.py and otel.py). So their spans would begin
    new traces. This attaches the trace as the worker does, if the worker has loaded OpenTelemetry.

    Args:
        context: the worker's invocation context, with `trace_context`. None: nothing is attached.
    """
    propagation = sys.modules.get("opentelemetry.trace.propagation.tracecontext")
    given = getattr(context, "trace_context", None) if propagation is not None else None
    parent = getattr(given, "trace_parent", None)
    if propagation is None or not parent or _has_span():
        return _NOTHING
    carrier = {"traceparent": parent, "tracestate": getattr(given, "trace_state", None) or ""}
    return _attach(propagation.TraceContextTextMapPropagator().extract(carrier))


def _has_span() -> bool:
    trace: Any = sys.modules["opentelemetry.trace"]
    return bool(trace.get_current_span().get_span_context().is_valid)


@contextmanager
def _attach(trace: Any) -> Iterator[None]:
    api: Any = sys.modules["opentelemetry.context"]
    token = api.attach(trace)
    try:
        yield
    finally:
        api.detach(token)
