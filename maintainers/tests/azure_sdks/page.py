"""The functions of docs/azure-sdks.md, run as they are written there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import azure.functions as func

from shared import AsyncUser, NotFound, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.azure_call import Runner

PARTS = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class _App:
    """In place of a FunctionApp: a route changes nothing."""

    def route(self, *_: object, **__: object) -> Callable[[Any], Any]:
        return lambda function: function


class Page:
    """What the page defines. All of its `async def` functions run on one event loop, as in the Functions worker."""

    def __init__(self, source: str) -> None:
        self._runner = Runner()
        self._services = LazyServices({})
        given = {"app": _App(), "func": func, "User": User, "AsyncUser": AsyncUser, "NotFound": NotFound}
        self._names: dict[str, Any] = {**given, "requires_user": RequiresUser(self._services)}
        exec("\n".join(PARTS.findall(source)), self._names)  # noqa: S102 — a page of this project

    @classmethod
    def read(cls, page: Path) -> Page:
        """The page, from its file."""
        return cls(page.read_text(encoding="utf-8"))

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        transport = self._names["HTTP"]._transport  # kiota's does not close the one below it
        for each in (transport.transport, *(one.transport for one in self._names["HTTP"]._mounts.values() if one)):
            self._runner.run(each.aclose())
        self._runner.stop()

    def use(self, environ: Mapping[str, str]) -> None:
        """The app forgets all that it knew, as one that starts with these settings."""
        vars(self._services).update(vars(LazyServices(environ)))

    @property
    def functions(self) -> set[str]:
        """The names of the guarded functions."""
        return {name for name, value in self._names.items() if hasattr(value, "guarded_at")}

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Another function, in the same app."""
        guarded: Callable[..., Any] = RequiresUser(self._services)()(function)
        return guarded

    def call(
        self,
        function: str | Callable[..., Any],
        token: str,
        route: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> func.HttpResponse:
        """The response of a function of the page, or of one made by `guarded`."""
        request = func.HttpRequest(
            "GET",
            "http://localhost/api/x",
            headers={"Authorization": f"Bearer {token}"},
            params=dict(params or {}),
            route_params=dict(route or {}),
            body=b"",
        )
        target = self._names[function] if isinstance(function, str) else function
        result = target(req=request)
        reply = self._runner.run(result) if isinstance(result, Awaitable) else result
        assert isinstance(reply, func.HttpResponse)
        return reply
