"""A user is for one request: what a function keeps of it longer brings no token, not even for its own user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import azure.functions as func
import pytest

from shared import ApiError, AsyncUser, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab

from .guarded import body_of, reply_of, request

KEPT: dict[str, Any] = {}
"""What a function wrongly keeps at module level."""
REASON = "kept longer than its request"


@pytest.fixture
def requires_user(lab: Lab) -> Iterator[RequiresUser]:
    KEPT.clear()
    yield RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))
    KEPT.clear()


def name_of(user: User) -> object:
    return user.api("Graph").get("/me?$select=displayName").json()["displayName"]


async def async_name_of(user: AsyncUser) -> object:
    return (await user.api("Graph").get("/me?$select=displayName")).json()["displayName"]


def keep(user: User | AsyncUser) -> None:
    KEPT.setdefault("user", user)
    KEPT.setdefault("api", user.api("Graph"))


KEPT_CALLS: list[Callable[[], Any]] = [
    lambda: KEPT["api"].get("/me"),
    lambda: KEPT["user"].api("Graph").get("/me"),
    lambda: KEPT["user"].token("Graph"),
]


@pytest.mark.parametrize("late", KEPT_CALLS, ids=["api", "user.api", "user.token"])
def test_what_a_def_function_kept_fails_the_request_that_uses_it(
    lab: Lab, requires_user: RequiresUser, late: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    @requires_user()
    def me(req: func.HttpRequest, user: User) -> object:
        keep(user)
        return {"own": name_of(user), "kept": str(late()) if KEPT["user"] is not user else ""}

    first = reply_of(me, req=request(lab.stack.issue_access_token("alice")))
    assert (first.status_code, body_of(first)) == (200, {"own": "Alice Ahlberg", "kept": ""})
    second = reply_of(me, req=request(lab.stack.issue_access_token("olga")))
    assert (second.status_code, body_of(second)["code"]) == (500, "internal_error")
    assert (second.mimetype, second.headers["Cache-Control"]) == ("application/problem+json", "no-store")
    assert REASON in caplog.text
    with pytest.raises(ApiError, match=REASON):
        late()


@pytest.mark.parametrize("late", KEPT_CALLS, ids=["api", "user.api", "user.token"])
def test_what_an_async_function_kept_fails_the_request_that_uses_it(
    lab: Lab, requires_user: RequiresUser, late: Callable[[], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    @requires_user()
    async def me(req: func.HttpRequest, user: AsyncUser) -> object:
        keep(user)
        return {"own": await async_name_of(user), "kept": str(await late()) if KEPT["user"] is not user else ""}

    first = reply_of(me, req=request(lab.stack.issue_access_token("alice")))
    assert (first.status_code, body_of(first)) == (200, {"own": "Alice Ahlberg", "kept": ""})
    second = reply_of(me, req=request(lab.stack.issue_access_token("olga")))
    assert (second.status_code, body_of(second)["code"]) == (500, "internal_error")
    assert (second.mimetype, second.headers["Cache-Control"]) == ("application/problem+json", "no-store")
    assert REASON in caplog.text

    async def once() -> object:
        return await late()

    with pytest.raises(ApiError, match=REASON):
        asyncio.run(once())


def test_a_request_that_fails_or_is_cancelled_ends_its_user_as_well(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def fails(req: func.HttpRequest, user: User) -> object:
        keep(user)
        raise RuntimeError

    @requires_user()
    async def hangs(req: func.HttpRequest, user: AsyncUser) -> None:
        keep(user)
        await asyncio.sleep(600)

    async def cancelled() -> None:
        task = asyncio.ensure_future(hangs(req=request(lab.stack.issue_access_token("alice"))))
        while "user" not in KEPT:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ApiError, match=REASON):
            await KEPT["user"].token("Graph")

    assert reply_of(fails, req=request(lab.stack.issue_access_token("alice"))).status_code == 500
    with pytest.raises(ApiError, match=REASON):
        KEPT["user"].token("Graph")
    KEPT.clear()
    asyncio.run(cancelled())


def test_a_task_that_goes_on_after_the_response_gets_no_token(lab: Lab, requires_user: RequiresUser) -> None:
    """Its request is over: neither its deadline nor its line in the log would hold for the call."""
    answered = asyncio.Event()

    async def later(user: AsyncUser) -> str:
        await answered.wait()
        return await user.token("Graph")

    @requires_user()
    async def me(req: func.HttpRequest, user: AsyncUser) -> None:
        KEPT["task"] = asyncio.ensure_future(later(user))

    async def both() -> None:
        reply = await me(req=request(lab.stack.issue_access_token("alice")))
        assert reply.status_code == 204
        answered.set()
        with pytest.raises(ApiError, match=REASON):
            await KEPT["task"]

    asyncio.run(both())
