"""`prefetch`: exchanges that run side by side while the function does, and fail only where their token is needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.shared.guarded import body_of, reply_of, request
from tests.support.lab import Lab, finish_background_work

BOTH = ["Graph", "orders"]


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))


def test_both_exchanges_end_while_the_function_runs(lab: Lab, requires_user: RequiresUser) -> None:
    mark = lab.stack.audit.mark()

    @requires_user(prefetch=BOTH)
    def act(req: func.HttpRequest, user: User) -> object:
        wait_until(lambda: len(lab.exchanges(mark)) == 2)
        return [user.api("Graph").get("/me").json()["displayName"], bool(user.token("Orders"))]

    reply = reply_of(act, req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)) == (200, ["Alice Ahlberg", True])
    assert [entry.status for entry in lab.exchanges(mark)] == [200, 200]


def test_an_async_function_has_them_side_by_side_as_well(lab: Lab, requires_user: RequiresUser) -> None:
    mark = lab.stack.audit.mark()

    @requires_user(prefetch=BOTH)
    async def act(req: func.HttpRequest, user: AsyncUser) -> object:
        while len(lab.exchanges(mark)) < 2:
            await asyncio.sleep(0.001)
        return [(await user.api("Graph").get("/me")).json()["displayName"], bool(await user.token("Orders"))]

    reply = reply_of(act, req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)) == (200, ["Alice Ahlberg", True])
    assert len(lab.exchanges(mark)) == 2


def test_a_known_token_is_not_exchanged_again(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user(prefetch=BOTH)
    def act(req: func.HttpRequest, user: User) -> object:
        return [bool(user.token(name)) for name in BOTH]

    token = lab.stack.issue_access_token("alice")
    assert reply_of(act, req=request(token)).status_code == 200
    mark = lab.stack.audit.mark()
    for _ in range(5):
        assert reply_of(act, req=request(token)).status_code == 200
    finish_background_work()
    assert lab.exchanges(mark) == []


def test_a_request_that_is_refused_exchanges_nothing(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user(scopes=["another"], prefetch=BOTH)
    def act(req: func.HttpRequest, user: User) -> object:
        return None

    mark = lab.stack.audit.mark()
    assert reply_of(act, req=request(lab.stack.issue_access_token("alice"))).status_code == 403
    finish_background_work()
    assert lab.exchanges(mark) == []


def test_a_failure_is_silent_until_the_call_and_costs_one_exchange(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user(prefetch=["Graph"])
    def quiet(req: func.HttpRequest, user: User) -> object:
        wait_until(lambda: len(lab.exchanges(mark)) == 1)
        finish_background_work()
        return user.name

    @requires_user(prefetch=["Graph"])
    def act(req: func.HttpRequest, user: User) -> object:
        wait_until(lambda: len(lab.exchanges(mark)) == 1)
        return user.api("Graph").get("/me")

    token, mark = lab.stack.issue_access_token("maya"), lab.stack.audit.mark()
    assert reply_of(quiet, req=request(token)).status_code == 200
    mark = lab.stack.audit.mark()
    reply = reply_of(act, req=request(token))
    assert (reply.status_code, body_of(reply)["code"]) == (401, "insufficient_claims")
    assert "claims=" in reply.headers["WWW-Authenticate"]
    assert len(lab.exchanges(mark)) == 1


def test_an_api_that_the_settings_do_not_name_is_a_wrong_setting(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    services = LazyServices(lab.environ(), now=lab.clock)

    @RequiresUser(services)(prefetch=["Stock"])
    def act(req: func.HttpRequest, user: User) -> object:
        return None

    assert services.problems() == {"DownstreamApis__Stock__Scopes": "is missing, and act prefetches it"}
    assert reply_of(act, req=request()).status_code == 500


@pytest.mark.parametrize("wrong", ["Graph", [1]])
def test_names_are_a_list_of_texts(requires_user: RequiresUser, wrong: Any) -> None:
    with pytest.raises(TypeError, match="names of downstream APIs"):
        requires_user(prefetch=wrong)


def wait_until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.001)
