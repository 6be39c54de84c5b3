"""The API in this process, called through `@requires_user`, as its callers call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from shared import User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab

from .short_timeouts import ShortTimeouts


@dataclass(frozen=True)
class Reply:
    """The response to a caller, and how many seconds it took on the clock of the tests."""

    status: int
    headers: dict[str, str]
    body: bytes
    waited: float

    @property
    def retry_after(self) -> int | None:
        value = self.headers.get("Retry-After")
        return None if value is None else int(value)

    @property
    def problem(self) -> dict[str, Any]:
        """The members of an error's body; none when it is no error."""
        is_problem = self.headers["Content-Type"].startswith("application/problem+json")
        return dict(json.loads(self.body)) if is_problem else {}


class Api:
    """Functions as in function_app.py, with services of their own: nothing is known yet."""

    def __init__(self, lab: Lab, timeouts: ShortTimeouts, **settings: str | None) -> None:
        self._lab = lab
        environ = lab.environ(**settings)
        self.lazy = LazyServices(environ, lab.clock, timeouts.sleep, timeouts.transport)
        requires_user = RequiresUser(self.lazy)

        @requires_user()
        def whoami(req: func.HttpRequest, user: User) -> object:
            return {"name": user.name}

        @requires_user()
        def me(req: func.HttpRequest, user: User) -> object:
            return user.api("Graph").get("/me?$select=displayName").json()

        @requires_user()
        def add_order(req: func.HttpRequest, user: User) -> object:
            return user.api("Orders").post("/orders", json={"item": "tea"})

        @requires_user()
        def add_order_once(req: func.HttpRequest, user: User) -> object:
            return user.api("Orders").post("/orders", json={"item": "tea"}, idempotent=True)

        self._functions = {
            function.__name__.replace("_", " "): function for function in (whoami, me, add_order, add_order_once)
        }

    def call(self, function: str, token: str) -> Reply:
        """One request by the holder of this token."""
        headers, before = {"Authorization": f"Bearer {token}"}, self._lab.clock.at
        reply = self._functions[function](req=func.HttpRequest("GET", "http://localhost/", headers=headers, body=b""))
        waited = self._lab.clock.at - before
        return Reply(reply.status_code, {"Content-Type": reply.mimetype, **reply.headers}, reply.get_body(), waited)
