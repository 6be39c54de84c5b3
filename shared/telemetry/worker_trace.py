"""OpenTelemetry's current span in `def` functions.

Since Python 3.13 the worker attaches the host's trace context on its event loop alone. Threads that run `def`
functions do not inherit it (azure_functions_runtime 1.3, handle_event.py and otel.py). So their spans would begin
traces of their own. Here it is attached as the worker does it, where the worker has loaded OpenTelemetry.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

_NOTHING: AbstractContextManager[None] = nullcontext()


def worker_trace(context: Any) -> AbstractContextManager[None]:
    """Within it the invocation's trace is OpenTelemetry's context, unless a span is current already.

    Args:
        context: the worker's, with `trace_context`; None: nothing is attached.
    """
    propagation = sys.modules.get("opentelemetry.trace.propagation.tracecontext")
    given = getattr(context, "trace_context", None) if propagation is not None else None
    parent = getattr(given, "trace_parent", None)
    if propagation is None or not parent or _has_span():
        return _NOTHING
    carrier = {"traceparent": parent, "tracestate": getattr(given, "trace_state", None) or ""}
    return _attached(propagation.TraceContextTextMapPropagator().extract(carrier))


def _has_span() -> bool:
    trace: Any = sys.modules["opentelemetry.trace"]
    return bool(trace.get_current_span().get_span_context().is_valid)


@contextmanager
def _attached(trace: Any) -> Iterator[None]:
    api: Any = sys.modules["opentelemetry.context"]
    token = api.attach(trace)
    try:
        yield
    finally:
        api.detach(token)
