"""One function of a Functions app, called in this process as the Functions host calls it."""

from __future__ import annotations

import asyncio
import inspect
import json as json_text
import re
import threading
import uuid
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import azure.functions as func
from starlette.datastructures import Headers

from emulators.functions_host.context import RetryContext, TraceContext
from emulators.functions_host.layout import HostJson
from emulators.table import ROOT

_PARAMETER = re.compile(r"\{\*?(\w+)[^}]*\}")
TIMEOUT = 60.0
"""Seconds that an `async def` function may take."""


class Response:
    """What the caller of the API gets."""

    def __init__(self, returned: object) -> None:
        given = returned if isinstance(returned, func.HttpResponse) else func.HttpResponse(str(returned))
        self.status: int = given.status_code
        kind = {"Content-Type": given.mimetype} if given.mimetype else {}
        self.headers: Mapping[str, str] = Headers({**kind, **dict(given.headers.items())})
        """By name, in which case does not count."""
        self.body: bytes = given.get_body()
        self.note = ""
        """A sentence about the response, for a person whose assertion fails."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, read as JSON. Raises ValueError, with the response, when it is none."""
        try:
            return json_text.loads(self.body)
        except ValueError:
            raise ValueError(f"the body is not JSON: {self!r}") from None

    def __repr__(self) -> str:
        """Shown by pytest when an assertion fails."""
        return f"<Response {self.status} {self.text[:500]}{self.note and f' ({self.note})'}>"


class Context:
    """The `context` of an invocation, without a trace. https://aka.ms/azfunc-invocation-context"""

    def __init__(self, function: str) -> None:
        self.invocation_id = str(uuid.uuid4())
        self.function_name, self.function_directory = function, ""
        self.thread_local_storage = threading.local()
        self.trace_context, self.retry_context = TraceContext("", ""), RetryContext()


class Runner:
    """Runs `async def` functions, all on one event loop, as the Functions worker does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="async functions", daemon=True)
        self._thread.start()

    def run(self, awaitable: Awaitable[object]) -> object:
        """What it returns or raises."""

        async def result() -> object:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(result(), self._loop).result(TIMEOUT)

    def stop(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def runner() -> Iterator[Runner]:
    """A runner for the block."""
    running = Runner()
    try:
        yield running
    finally:
        running.stop()


def call(
    function: Any,
    runner: Runner,
    *,
    headers: Mapping[str, str],
    json: Any = None,
    body: bytes | None = None,
    params: Mapping[str, str] | None = None,
    route: Mapping[str, str] | None = None,
    method: str | None = None,
    bindings: Mapping[str, Any] | None = None,
) -> Response:
    """Calls what `@app.route` made of a function; see Tenant.call. Raises TypeError for anything else.

    https://learn.microsoft.com/azure/azure-functions/functions-reference-python#unit-testing
    """
    if not hasattr(function, "build"):
        raise TypeError(f"call a function with @app.route, such as function_app.me, not {function!r}")
    built = function.build()
    trigger, user_function = built.get_trigger(), built.get_user_function()
    if not isinstance(trigger, func.decorators.http.HttpTrigger):
        raise TypeError(f"{built.get_function_name()} has no HTTP trigger")
    content = json_text.dumps(json).encode() if json is not None else body or b""
    kind = {"Content-Type": "application/json"} if json is not None else {}
    request = func.HttpRequest(
        method=method or _method(trigger, bool(content)),
        url=_url(built.get_function_name(), trigger, route or {}, params or {}),
        headers={**kind, **headers},
        params=dict(params or {}),
        route_params=dict(route or {}),
        body=content,
    )
    arguments = {trigger.name: request, **(bindings or {})}
    if "context" in inspect.signature(user_function).parameters:
        arguments.setdefault("context", Context(built.get_function_name()))
    returned = user_function(**arguments)
    return Response(runner.run(returned) if inspect.isawaitable(returned) else returned)


def _method(trigger: Any, has_body: bool) -> str:
    """The first that the function takes; with a body, one that has a body."""
    methods = [getattr(one, "value", str(one)).upper() for one in trigger.methods or ("GET", "POST")]
    return next((one for one in methods if has_body and one not in ("GET", "HEAD", "DELETE")), methods[0])


def _url(name: str, trigger: Any, route: Mapping[str, str], params: Mapping[str, str]) -> str:
    template = trigger.route if trigger.route is not None else name
    if missing := [one for one in _PARAMETER.findall(template) if one not in route and "?" not in template]:
        example = ", ".join(f'"{one}": "…"' for one in missing)
        raise ValueError(f"the route of {name} is {template!r}: pass route={{{example}}}")
    path = _PARAMETER.sub(lambda found: quote(str(route.get(found[1], "")), safe=""), template)
    prefix = HostJson.read(ROOT / "host.json").base_path
    return f"http://localhost:7071{prefix}/{path}" + (f"?{urlencode(params)}" if params else "")
