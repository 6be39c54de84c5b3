"""What a function returns or raises becomes a response: never an empty 500, never the end of the worker."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import http
import logging
import uuid
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from shared import ApiError, AsyncUser, Forbidden, User
from shared.net.transport import Response
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.shared.guarded import body_of, reply_of, request
from tests.support.lab import Lab

GUID = uuid.UUID("0f5b1c52-6a4e-4d6c-9f53-64f0b7a1c001")
RESPONSE = Response(200, {}, b"{}")


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))


@pytest.fixture
def token(lab: Lab) -> str:
    return lab.stack.issue_access_token("alice")


@pytest.fixture
def reply_to(request_kind: str, requires_user: RequiresUser, token: str) -> Callable[..., func.HttpResponse]:
    """Calls the given function, as `def` or as `async def`."""

    def call(work: Callable[[], object]) -> func.HttpResponse:
        @requires_user()
        def act(req: func.HttpRequest, user: User) -> object:
            return work()

        @requires_user()
        async def act_async(req: func.HttpRequest, user: AsyncUser) -> object:
            return work()

        return reply_of(act if request_kind == "def" else act_async, req=request(token))

    return call


@pytest.fixture(params=["def", "async def"])
def request_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def internal_error(reply: func.HttpResponse, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The log record of a 500 whose body has only the correlation id."""
    assert (reply.status_code, reply.mimetype) == (500, "application/problem+json")
    assert body_of(reply) == {
        "status": 500,
        "code": "internal_error",
        "detail": ApiError.detail,
        "correlation_id": body_of(reply)["correlation_id"],
    }
    assert reply.headers["Cache-Control"] == "no-store"
    (record,) = (record for record in caplog.records if record.name == "shared.telemetry.request_record")
    assert record.levelno == logging.ERROR
    assert "function=act" in record.getMessage()
    assert f"correlation_id={body_of(reply)['correlation_id']}" in record.getMessage()
    return record


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()], ids=repr
)
def test_what_would_end_the_worker_is_a_bug_like_any_other(
    reply_to: Callable[..., func.HttpResponse], caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def work() -> object:
        raise error

    record = internal_error(reply_to(work), caplog)
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert f"reason={type(error).__name__}" in record.getMessage()


def test_a_leaked_cancellation_of_another_task_is_answered(
    requires_user: RequiresUser, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    @requires_user()
    async def act(req: func.HttpRequest, user: AsyncUser) -> object:
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other
        return "never"

    internal_error(reply_of(act, req=request(token)), caplog)


def test_a_cancellation_by_the_host_goes_on(requires_user: RequiresUser, token: str) -> None:
    reached: list[str] = []

    @requires_user()
    async def act(req: func.HttpRequest, user: AsyncUser) -> object:
        reached.append("function")
        await asyncio.Event().wait()
        return "never"

    async def cancelled() -> None:
        task = asyncio.ensure_future(act(req=request(token)))
        while not reached:
            await asyncio.sleep(0.001)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int = 1


UNSENDABLE: dict[str, tuple[Callable[[], object], str]] = {
    "set": (lambda: {"roles": {"secret"}}, "a set at .roles"),
    "frozenset": (lambda: frozenset({"secret"}), "a frozenset; JSON has no such type"),
    "datetime": (lambda: [{"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}], "a datetime at [0].at"),
    "uuid": (lambda: {"id": GUID}, "a UUID at .id"),
    "decimal": (lambda: {"a": {"b": [decimal.Decimal(1)]}}, "a Decimal at .a.b[0]"),
    "enum": (lambda: Color.RED, "a Color"),
    "dataclass": (Point, "a Point"),
    "bytes": (lambda: b"secret", "a bytes; return func.HttpResponse(body, mimetype="),
    "generator": (lambda: {"rows": (row for row in "a")}, "a generator at .rows"),
    "coroutine": (lambda: asyncio.sleep(0), "await it"),
    "nan": (lambda: {"ratio": float("nan")}, "NaN or Infinity at .ratio"),
    "infinity": (lambda: [float("-inf")], "NaN or Infinity at [0]"),
    "response in a dict": (lambda: {"reply": func.HttpResponse("x")}, "a HttpResponse at .reply; return it alone"),
    "answer in a dict": (lambda: {"orders": RESPONSE}, "an API's response at .orders; return its .json()"),
    "answer and status": (lambda: (RESPONSE, 201), "return its .json()"),
    "an error returned": (lambda: Forbidden("secret"), "a Forbidden; raise it"),
    "tuple as key": (lambda: {("secret", 1): 2}, "keys that JSON cannot carry"),
    "bytes as key": (lambda: {"by": {b"secret": 2}}, "a bytes at .by as a key"),
    "mail address as key": (lambda: {"secret@contoso.com": set()}, "a set at [*]"),
    "pair": (lambda: (1, 2), "second item, of type int, is not a status of 200 to 599"),
    "pair of texts": (lambda: ("secret", "secret"), "second item, of type str,"),
    "status 999": (lambda: ({}, 999), "is not a status"),
    "status 100": (lambda: ({}, 100), "is not a status"),
    "status True": (lambda: ({}, True), "of type bool,"),
    "one": (lambda: (1,), "a tuple of 1;"),
    "none": (lambda: (), "a tuple of 0;"),
    "four": (lambda: ({}, 200, {}, 1), "a tuple of 4;"),
    "headers": (lambda: ({}, 200, ["secret"]), "headers that the function returned are a list"),
    "header value": (lambda: ({}, 200, {"X-Count": 1}), "the header X-Count as a int"),
    "header injection": (lambda: ({}, 200, {"X-A": "a\r\nSet-Cookie: secret=1"}), "the header X-A with characters"),
    "header beyond ASCII": (lambda: ({}, 200, {"X-A": "é"}), "the header X-A with characters"),
    "header name": (lambda: ({}, 200, {"X-A: secret\r\nX": "a"}), "whose name is not a token"),
    "header of the host": (lambda: ({}, 200, {"content-length": "3"}), "content-length; leave it out"),
    "cookie": (lambda: ({}, 200, {"Set-Cookie": "a/b=secret"}), "a Set-Cookie header that azure-functions cannot read"),
    "HttpResponse 999": (lambda: func.HttpResponse("x", status_code=999), "a status 999"),
    "HttpResponse text": (lambda: func.HttpResponse("x", status_code="secret"), "a status of type str"),  # type: ignore[arg-type]
    "HttpResponse header": (lambda: func.HttpResponse("x", headers={"X-A": "\x00"}), "the header X-A with characters"),
    "HttpResponse mimetype": (lambda: func.HttpResponse("x", mimetype="a\r\nb"), "the mimetype"),
}


@pytest.mark.parametrize("case", UNSENDABLE)
def test_what_cannot_be_sent_is_a_500_with_the_reason_in_the_log(
    reply_to: Callable[..., func.HttpResponse], caplog: pytest.LogCaptureFixture, case: str
) -> None:
    work, words = UNSENDABLE[case]
    record = internal_error(reply_to(work), caplog)
    assert "code=internal_error" in record.getMessage()
    assert words in record.getMessage()
    assert "secret" not in record.getMessage()


def test_what_contains_itself_or_is_nested_too_deeply_is_told_so(
    reply_to: Callable[..., func.HttpResponse], caplog: pytest.LogCaptureFixture
) -> None:
    loop: list[object] = []
    loop.append({"loop": loop})
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    for work in (lambda: loop, lambda: deep):
        caplog.clear()
        assert "contains itself, is nested too deeply" in internal_error(reply_to(work), caplog).getMessage()


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        (({"id": 7}, 201), 201, {}, b'{"id": 7}'),
        (({"id": 7}, 201, {"Location": "/api/orders/7"}), 201, {"Location": "/api/orders/7"}, b'{"id": 7}'),
        (("made", http.HTTPStatus.CREATED, {}), 201, {}, b"made"),
        ((None, 303, {"Location": "/api/orders/7"}), 303, {"Location": "/api/orders/7"}, b""),
        (({}, 200, {"Content-Type": "application/scim+json"}), 200, {"Content-Type": "application/scim+json"}, b"{}"),
        (({}, 200, {"Set-Cookie": "a=b; HttpOnly"}), 200, {"Set-Cookie": "a=b; HttpOnly"}, b"{}"),
        ([(1, 2)], 200, {}, b"[[1, 2]]"),
    ],
)
def test_a_body_may_come_with_a_status_and_headers(
    reply_to: Callable[..., func.HttpResponse], result: object, status: int, headers: dict[str, str], body: bytes
) -> None:
    reply = reply_to(lambda: result)
    assert (reply.status_code, dict(reply.headers), reply.get_body()) == (status, headers, body)


class NoError(ApiError):
    status, code = 200, "fine"


class StrangeError(ApiError):
    status, code = 418, "teapot"


def with_member(name: str, value: Any) -> Callable[[], ApiError]:
    def make() -> ApiError:
        error = StrangeError()
        setattr(error, name, value)
        return error

    return make


@pytest.mark.parametrize(
    "make",
    [
        NoError,
        with_member("status", 999),
        with_member("status", "418"),
        with_member("extra", {"at": datetime.datetime.min}),
        with_member("retry_after", "1\r\nX-A: b"),
        with_member("challenge", lambda: {"error": "a\r\nb"}),
    ],
    ids=["status 200", "status 999", "status as text", "extra", "header injection", "challenge"],
)
def test_an_error_class_of_ones_own_that_cannot_be_sent(
    reply_to: Callable[..., func.HttpResponse], caplog: pytest.LogCaptureFixture, make: Callable[[], ApiError]
) -> None:
    def work() -> object:
        raise make()

    internal_error(reply_to(work), caplog)


def test_an_error_class_of_ones_own_keeps_its_status(reply_to: Callable[..., func.HttpResponse]) -> None:
    def work() -> object:
        raise StrangeError("Short and stout.")

    reply = reply_to(work)
    assert (reply.status_code, body_of(reply)["code"], body_of(reply)["detail"]) == (418, "teapot", "Short and stout.")
