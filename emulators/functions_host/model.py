"""The interface between the host and an engine (Microsoft's worker library or the SDK)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from azure.functions.meta import Datum

    from emulators.functions_host.layout import AppLayout


@dataclass(frozen=True)
class HttpTrigger:
    """How a function is reached over HTTP."""

    parameter: str
    route: str
    methods: frozenset[str] | None  # None: every method
    needs_key: bool


@dataclass(frozen=True)
class IndexedFunction:
    """A function the engine has accepted. Without a trigger of type http it has no route."""

    id: str
    name: str
    trigger: HttpTrigger | None
    http_output: str | None  # the binding that carries the reply, normally "$return"

    @classmethod
    def from_bindings(cls, function_id: str, name: str, bindings: Iterable[str]) -> IndexedFunction:
        """From the bindings as JSON, as the SDK writes them and the real host reads them."""
        trigger: HttpTrigger | None = None
        output: str | None = None
        for binding in map(json.loads, bindings):
            if binding["type"] == "httpTrigger":
                methods = frozenset(method.upper() for method in binding.get("methods") or ())
                needs_key = binding.get("authLevel", "function").lower() != "anonymous"
                trigger = HttpTrigger(binding["name"], binding.get("route") or name, methods or None, needs_key)
            elif binding["type"] == "http":
                output = binding["name"]
        return cls(function_id, name, trigger, output)


@dataclass(frozen=True)
class Invocation:
    """One call of one function."""

    id: str
    function: IndexedFunction
    trigger: HttpTrigger
    request: Datum
    trace_parent: str
    trace_state: str


class EngineError(Exception):
    """The engine asked for cannot be used here; the message says what it needs."""


class IndexingError(Exception):
    """The app cannot be indexed: in production and here, every one of its routes responds with 404."""

    def __init__(self, message: str, stack_trace: str) -> None:
        super().__init__(message)
        self.stack_trace = stack_trace


class FunctionError(Exception):
    """A function raised, or returned what cannot be sent: the caller gets an empty 500."""

    def __init__(self, message: str, stack_trace: str) -> None:
        super().__init__(message)
        self.stack_trace = stack_trace


class Engine(Protocol):
    """Indexes an app once and invokes its functions."""

    name: str

    async def index(self, layout: AppLayout) -> Sequence[IndexedFunction]:
        """Import the app and check its functions. Raises IndexingError."""

    async def invoke(self, invocation: Invocation) -> Datum | None:
        """The function's reply; None when it gave none. Raises FunctionError."""

    def close(self) -> None:
        """Take no more work; does not wait for functions that are running."""
