"""Keys and credential that were fetched while the app was loaded: used, renewed when old, and forgotten if they failed.

A failure at that time makes no later request worse, and is none of the health check's.
"""

from __future__ import annotations

import gc
import json
from typing import Any

import azure.functions as func
import pytest

from shared import User
from shared.net import SingleFlight, Transport
from shared.requires_user import RequiresUser, health
from shared.services import LazyServices
from shared.validation.signing_keys import MAX_AGE_SECONDS
from tests.support.lab import Lab, finish_background_work

HOUR, DAY = 3600.0, 24 * 3600.0
WELL = (200, {"status": "healthy"})
BOTH = [("vault", 403), ("entra.keys", 500)]


class Instance:
    """An instance whose app has been loaded. Nobody has called it yet."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab = lab
        self.services = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)
        monkeypatch.setitem(health.__globals__, "lazy_services", self.services)

        @RequiresUser(self.services)()
        def name(req: func.HttpRequest, user: User) -> object:
            return user.api("Graph").get("/me").json()["displayName"]

        self._name = name
        self.load()

    def load(self) -> None:
        self.services.load_ahead()
        finish_background_work()

    def call(self, token: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token or self.lab.stack.issue_access_token('alice')}"}
        request = func.HttpRequest("GET", "https://localhost/", headers=headers, body=b"")
        reply: func.HttpResponse = self._name(req=request)
        finish_background_work()
        return int(reply.status_code), reply.get_body().decode()

    def health(self) -> tuple[int, object]:
        reply = health()
        return reply.status_code, json.loads(reply.get_body())

    def asked(self, mark: int) -> list[str]:
        """What the emulators were asked since then."""
        actions = [entry.action for entry in self.lab.stack.audit.entries(mark)]
        return sorted(action for action in actions if action in ("discovery", "keys", "secret", "obo"))


CALLED = (200, "Alice Ahlberg")


def test_the_first_request_fetches_neither_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, mark = Instance(lab, monkeypatch), lab.stack.audit.mark()
    instance.load()
    assert instance.call() == CALLED
    assert instance.asked(mark) == ["obo"]


@pytest.mark.parametrize("later", [0.0, HOUR])
def test_a_failure_while_the_app_was_loaded_is_tried_again_by_the_first_request(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, later: float
) -> None:
    for target, status in BOTH:
        lab.stack.faults.add(target, status=status)
    instance = Instance(lab, monkeypatch)
    assert instance.health() == WELL
    lab.stack.faults.clear()
    lab.clock.forward(later)
    assert (instance.health(), instance.call(), instance.health()) == (WELL, CALLED, WELL)


def test_a_failure_while_the_app_was_loaded_makes_no_health_check_fail(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even after a request that needed neither, while both are fetched again."""
    for target, status in BOTH:
        lab.stack.faults.add(target, status=status)
    instance = Instance(lab, monkeypatch)
    lab.stack.faults.clear()
    with monkeypatch.context() as nothing_starts:
        nothing_starts.setattr(SingleFlight, "run_in_background", lambda *_: None)
        instance.services.get()
        assert instance.health() == WELL


def test_what_cannot_be_built_is_the_error_of_the_first_request_alone(lab: Lab) -> None:
    services = LazyServices(lab.environ(), transport=lambda **_: 1 // 0)  # type: ignore[arg-type]
    services.load_ahead()
    with pytest.raises(ZeroDivisionError):
        services.get()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_as_it_was_before(lab: Lab, is_enabled: bool) -> None:
    seen: list[bool] = []

    def transport(**options: Any) -> Transport:
        seen.append(gc.isenabled())
        return Transport(**options)

    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        LazyServices(lab.environ(), transport=transport).load_ahead()
        assert (gc.isenabled(), set(seen)) == (is_enabled, {False})
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_what_still_fails_then_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for target, status in BOTH:
        lab.stack.faults.add(target, status=status)
    instance = Instance(lab, monkeypatch)
    assert instance.call()[0] == 503
    unwell = {"status": "unhealthy", "broken": ["client credential", "signing keys"]}
    assert instance.health() == (503, unwell)


def test_keys_that_grew_old_before_the_first_request_are_fetched_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(lab, monkeypatch)
    lab.stack.roll_signing_key()
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    mark = lab.stack.audit.mark()
    assert instance.call() == CALLED
    assert instance.asked(mark).count("keys") == 1


def test_a_key_that_was_withdrawn_before_the_first_request_lets_nobody_in(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(lab, monkeypatch)
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    token = lab.stack.issue_access_token("alice")
    lab.stack.roll_signing_key(withdraw_old=True)
    mark = lab.stack.audit.mark()
    assert instance.call(token)[0] in (401, 503)  # 503 until a second list lacks the key, too
    assert instance.asked(mark) == ["discovery", "keys"]  # no exchange: Entra would refuse it, too
    lab.clock.forward(MAX_AGE_SECONDS / 2)
    assert (instance.call(token)[0], instance.call()) == (401, CALLED)


def test_a_certificate_that_was_replaced_before_the_first_request_is_loaded_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(lab, monkeypatch)
    lab.clock.forward(DAY)
    lab.stack.rotate_client_certificate(unregister_old=True)
    mark = lab.stack.audit.mark()
    assert instance.call() == CALLED
    assert [entry.status for entry in lab.exchanges(mark)] == [401, 200]
