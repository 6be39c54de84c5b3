"""OpenTelemetry's current span in guarded functions, called as Microsoft's worker calls them."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import AsyncUser, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.shared.guarded import body_of, request
from tests.support.lab import Lab

TRACE, SPAN, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "1" * 32


def invocation(parent: str | None = f"00-{TRACE}-{SPAN}-01", state: str | None = "vendor=1") -> Any:
    """The worker's context."""
    return SimpleNamespace(trace_context=SimpleNamespace(trace_parent=parent, trace_state=state))


def current() -> dict[str, Any]:
    span = trace.get_current_span().get_span_context()
    return {"trace": f"{span.trace_id:032x}", "span": f"{span.span_id:016x}", "state": span.trace_state.get("vendor")}


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))


@pytest.fixture
def spans(requires_user: RequiresUser) -> Callable[..., func.HttpResponse]:
    @requires_user()
    def act(req: func.HttpRequest, user: User) -> object:
        return current()

    return act


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """Of the worker since Python 3.13: without the event loop's context variables."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_def_function_has_the_span_of_its_invocation_and_leaves_none(
    lab: Lab, spans: Callable[..., func.HttpResponse], thread: ThreadPoolExecutor
) -> None:
    given = request(lab.stack.issue_access_token("alice"))
    reply = thread.submit(spans, req=given, context=invocation()).result()
    assert (reply.status_code, body_of(reply)) == (200, {"trace": TRACE, "span": SPAN, "state": "1"})
    assert thread.submit(current).result()["trace"] == "0" * 32


def test_a_def_function_sees_the_same_as_an_async_one(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    async def act(req: func.HttpRequest, user: AsyncUser) -> object:
        return current()

    async def as_the_worker_does() -> func.HttpResponse:
        carrier = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
        context_api.attach(TraceContextTextMapPropagator().extract(carrier))
        reply = await act(req=request(lab.stack.issue_access_token("alice")), context=invocation())
        assert isinstance(reply, func.HttpResponse)
        return reply

    reply = contextvars.copy_context().run(asyncio.run, as_the_worker_does())
    assert body_of(reply) == {"trace": TRACE, "span": SPAN, "state": "1"}


def test_a_span_that_is_current_already_stays(
    lab: Lab, spans: Callable[..., func.HttpResponse], thread: ThreadPoolExecutor
) -> None:
    """The worker's own before Python 3.13, or one that a decorator above the guard has started."""

    def within_another() -> func.HttpResponse:
        token = context_api.attach(TraceContextTextMapPropagator().extract({"traceparent": f"00-{OTHER}-{SPAN}-01"}))
        try:
            return spans(req=request(lab.stack.issue_access_token("alice")), context=invocation())
        finally:
            context_api.detach(token)

    assert body_of(thread.submit(within_another).result())["trace"] == OTHER


@pytest.mark.parametrize(
    "context",
    [None, SimpleNamespace(trace_context=None), invocation(None), invocation(""), invocation("nonsense")],
    ids=["no context", "no trace", "None", "empty", "nonsense"],
)
def test_without_a_usable_trace_there_is_no_span(
    lab: Lab, spans: Callable[..., func.HttpResponse], thread: ThreadPoolExecutor, context: Any
) -> None:
    reply = thread.submit(spans, req=request(lab.stack.issue_access_token("alice")), context=context).result()
    assert (reply.status_code, body_of(reply)["trace"]) == (200, "0" * 32)


def test_opentelemetry_is_used_where_the_worker_has_loaded_it_and_never_imported(
    lab: Lab, spans: Callable[..., func.HttpResponse], thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace.propagation.tracecontext")
    reply = thread.submit(spans, req=request(lab.stack.issue_access_token("alice")), context=invocation()).result()
    assert (reply.status_code, body_of(reply)["trace"]) == (200, "0" * 32)
    assert "opentelemetry.trace.propagation.tracecontext" not in sys.modules
