"""The `context` argument of a function, with the attributes of the worker's own, and its output parameters."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulators.functions_host.model import Invocation

# What `context.thread_local_storage` is: the worker shares one between all functions.
invocation_ids = threading.local()


class TraceContext:
    """The W3C trace context of an invocation."""

    def __init__(self, trace_parent: str, trace_state: str) -> None:
        self.trace_parent = self.Traceparent = trace_parent
        self.trace_state = self.Tracestate = trace_state
        self.attributes: dict[str, str] = {}
        self.Attributes = self.attributes


class RetryContext:
    """The retries of an invocation: an HTTP trigger has none."""

    retry_count = 0
    max_retry_count = 0
    exception = None


class Context:
    """See https://aka.ms/azfunc-invocation-context."""

    def __init__(self, invocation: Invocation, directory: str) -> None:
        self.invocation_id = invocation.id
        self.function_name = invocation.function.name
        self.function_directory = directory
        self.thread_local_storage = invocation_ids
        self.trace_context = TraceContext(invocation.trace_parent, invocation.trace_state)
        self.retry_context = RetryContext()


class Out:
    """What a function is given for an output binding that is not $return."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Keep the value to be sent."""
        self._value = val

    def get(self) -> Any:
        """The value kept, or None."""
        return self._value
