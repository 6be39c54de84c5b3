"""This template: its decorator around three functions, in this process."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import azure.functions as func

from shared import User
from shared.net.transport import Transport
from shared.requires_user import RequiresUser
from shared.services import LazyServices

from ..outcome import Outcome, replied
from ..tenant import Tenant
from .base import Exchanger, Validator


class Template(Validator, Exchanger):
    """Fresh services: nothing cached, nothing loaded. Clock, pauses and timeouts go in where the tests' do."""

    def __init__(self, tenant: Tenant, time_out: float | None = None) -> None:
        super().__init__(tenant, time_out)
        self._ahead = 0.0
        services = LazyServices(
            tenant.stack.environ("api"),
            now=lambda: time.time() + self._ahead,
            sleep=self._note_pause,
            transport=self._transport,
        )
        guarded = RequiresUser(services)(scopes=["access_as_user"])
        self._who, self._me, self._token = guarded(_who), guarded(_me), guarded(_token)

    def validate(self, bearer: str) -> Outcome:
        return _run(self._who, bearer)

    def call(self, bearer: str) -> Outcome:
        return _run(self._me, bearer)

    def downstream_token(self, bearer: str) -> str:
        return _run(self._token, bearer).person

    def later(self, seconds: float) -> None:
        self._ahead += seconds

    def settle(self) -> None:
        _join("background ")

    def nominal_time_out(self) -> float:
        _join("background early client credential")  # continues in the background, with timeouts of its own
        return super().nominal_time_out()

    def _note_pause(self, seconds: float) -> None:
        self.paused += seconds

    def _transport(self, **options: Any) -> Transport:
        own = {} if self.time_out is None else {"connect": self.time_out, "read": self.time_out}
        return Transport(**{**options, **own})


def _join(name: str) -> None:
    """Waits for the threads whose names begin so."""
    for thread in threading.enumerate():
        if thread.name.startswith(name):
            thread.join(30)


def _run(function: Any, bearer: str) -> Outcome:
    own = {"Authorization": f"Bearer {bearer}"}
    reply = function(req=func.HttpRequest("GET", "http://localhost/api/me", headers=own, body=b""))
    body = reply.get_body().decode()
    return replied(reply.status_code, reply.headers, body, json.loads(body)["id"] if reply.status_code == 200 else "")


def _who(req: func.HttpRequest, user: User) -> object:
    return {"id": user.id}


def _me(req: func.HttpRequest, user: User) -> object:
    return user.api("Graph").get("/me?$select=id").json()


def _token(req: func.HttpRequest, user: User) -> object:
    return {"id": user.token("Graph")}
