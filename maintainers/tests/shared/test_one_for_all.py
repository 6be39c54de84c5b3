"""What one caller, or a stranger, cannot do to all the others."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import azure.functions as func
import pytest

from maintainers.tests.forgery import TABLES, UNKNOWN_KEYS
from shared import AsyncUser, User
from shared.errors import ApiError, InvalidToken, ServiceUnavailable
from shared.net.deadline import within
from shared.requires_user import RequiresUser
from shared.services import LazyServices, Services
from shared.validation import signing_keys
from shared.validation.signing_keys import COOLDOWN_SECONDS
from tests.support.genuine import Genuine
from tests.support.lab import Lab, at_once, finish_background_work

CALLERS = 16


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of refusals need no thousands of lines."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def without_time(lab: Lab, services: Services) -> ApiError:
    """A caller whose request has used up its time elsewhere and now wants another token."""
    user = lab.user(services, lab.stack.issue_access_token("alice"))
    with within(0.0, lab.clock), pytest.raises(ApiError) as raised:
        user.token("Graph")
    return raised.value


def test_callers_without_time_do_not_make_entra_look_dead(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("olga"))
    mark = lab.stack.audit.mark()
    for _ in range(20):
        assert without_time(lab, services).status in (503, 504)
    assert lab.exchanges(mark) == []
    assert lab.me(services, lab.stack.issue_access_token("olga")) == "Olga Olsen"


def test_callers_without_time_do_not_keep_a_circuit_open(lab: Lab) -> None:
    """They are always the first to come when it lets one through, and have nothing to say about Entra."""
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("olga"))
    outage = lab.stack.faults.add("entra.token", status=503)
    for _ in range(10):
        with pytest.raises(ServiceUnavailable):
            lab.user(services, lab.stack.issue_access_token("alice")).token("Graph")
    with pytest.raises(ServiceUnavailable, match="circuit open"):
        lab.user(services, lab.stack.issue_access_token("olga")).token("Graph")
    lab.stack.faults.remove(outage)
    lab.clock.forward(60)
    without_time(lab, services)
    assert lab.me(services, lab.stack.issue_access_token("olga")) == "Olga Olsen"


def test_a_flood_of_forged_tokens_leaves_nothing_behind(lab: Lab, quiet: None) -> None:
    """No session, no thread, and no request except one fetch of the keys."""
    services, token = lab.services(), lab.stack.issue_access_token("olga")
    services.sessions.open(token)
    genuine = Genuine.taken_apart(token, lab.stack.entra.keys.current)
    rows = [row for name in ("algorithm", "header", "signature", "claim") for row in TABLES[name].values()]
    forged = [row(genuine) for row in (*rows, *UNKNOWN_KEYS.values())]
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    mark, threads = lab.stack.audit.mark(), threading.active_count()

    def flood(number: int) -> int:
        return sum(is_refused(services, token) for token in forged[number % 7 :])

    assert sum(at_once(CALLERS, flood)) == sum(len(forged[number % 7 :]) for number in range(CALLERS))
    finish_background_work()
    assert sorted(entry.action for entry in lab.stack.audit.entries(mark)) == ["discovery", "keys"]
    assert len(services.sessions) == 1
    assert threading.active_count() <= threads


def is_refused(services: Services, token: str) -> bool:
    try:
        services.sessions.open(token)
    except InvalidToken:
        return True
    return False


class Crowd:
    """Functions behind one guard, and as few threads to run them in as a small instance has."""

    def __init__(self, lab: Lab) -> None:
        requires_user = RequiresUser(LazyServices(lab.environ(), lab.clock))

        @requires_user()
        def whoami(req: func.HttpRequest, user: User) -> object:
            return {"id": user.id}

        @requires_user()
        async def whoami_async(req: func.HttpRequest, user: AsyncUser) -> object:
            return {"id": user.id}

        self._def, self._async = whoami, whoami_async
        self._threads = ThreadPoolExecutor(2)

    def call(self, kind: str, token: str) -> Future[func.HttpResponse]:
        request = func.HttpRequest("GET", "http://localhost/", headers={"Authorization": f"Bearer {token}"}, body=b"")
        if kind == "def":
            return self._threads.submit(lambda: self._def(req=request))
        return self._threads.submit(lambda: asyncio.run(self._async(req=request)))


@pytest.mark.parametrize("strangers", [12, 60])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_while_entras_keys_hang_strangers_keep_no_known_caller_waiting(
    lab: Lab, kind: str, strangers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they wait for half a second of the fetch. Later callers get their response at once."""
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 0.5)
    crowd, token = Crowd(lab), lab.stack.issue_access_token("olga")
    assert crowd.call(kind, token).result(30).status_code == 200
    genuine = Genuine.taken_apart(token, lab.stack.entra.keys.current)
    hanging = lab.stack.faults.add("entra.keys", network="hang")
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    mark = lab.stack.audit.mark()
    replies = [crowd.call(kind, genuine.with_header(kid=f"unknown-{number}")) for number in range(strangers)]
    assert crowd.call(kind, token).result(30).status_code == 200
    for reply in replies:
        answered = reply.result(30)
        assert (answered.status_code, answered.headers["Retry-After"]) == (503, "1")  # 5 once the fetch has failed
        assert json.loads(answered.get_body())["code"] == "temporarily_unavailable"
    lab.stack.faults.remove(hanging)
    finish_background_work()
    assert len(lab.seen(mark, "keys")) == 1
