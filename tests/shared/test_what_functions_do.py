"""What a function returns or raises becomes a response: never an empty 500, never the end of the worker."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import http
import logging
import pathlib
import types
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
ORDERS = Response(200, {"Content-Type": "application/json; v=2"}, b'{"value": [1]}')
HTML = Response(200, {"Content-Type": "text/html"}, b"<p>")


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
    x: float = 1
    tags: frozenset[str] = frozenset()


class Level(enum.IntEnum):
    HIGH = 3


MORNING = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
POINT = '{"x": 1, "tags": []}'
JSON_FORMS: dict[str, tuple[object, str]] = {
    "datetime": ([{"at": MORNING}], '[{"at": "2026-01-02T03:04:05+00:00"}]'),
    "date": (MORNING.date(), '"2026-01-02"'),
    "time": (MORNING.time(), '"03:04:05"'),
    "timedelta": (datetime.timedelta(minutes=1, milliseconds=500), "60.5"),
    "uuid": ({"id": GUID}, f'{{"id": "{GUID}"}}'),
    "decimal": ({"price": decimal.Decimal("12345678901234567890.10")}, '{"price": "12345678901234567890.10"}'),
    "enum": ([Color.RED, Level.HIGH], "[1, 3]"),
    "dataclass": (Point(2, frozenset({"b", "a"})), '{"x": 2, "tags": ["a", "b"]}'),
    "set": ({"roles": {"b", "a"}}, '{"roles": ["a", "b"]}'),
    "frozenset": (frozenset({2, 1}), "[1, 2]"),
    "deque": (collections.deque([1]), "[1]"),
    "mapping": (types.MappingProxyType({"a": 1}), '{"a": 1}'),
    "path": ([pathlib.PurePosixPath("a/b")], '["a/b"]'),
    "bytes in a dict": ({"text": "é".encode()}, '{"text": "\\u00e9"}'),
    "an API's response in a dict": ({"orders": ORDERS}, '{"orders": {"value": [1]}}'),
    "keys": (
        {GUID: 1, MORNING.date(): 2, Color.RED: 3, Level.HIGH: 4},
        f'{{"{GUID}": 1, "2026-01-02": 2, "1": 3, "3": 4}}',
    ),
    "keys deep inside": (
        [Point(1), {"by": {GUID: Point(1)}}],
        f'[{{"x": 1, "tags": []}}, {{"by": {{"{GUID}": {{"x": 1, "tags": []}}}}}}]',
    ),
}


@pytest.mark.parametrize("case", JSON_FORMS)
def test_what_json_has_no_type_for_is_sent_as_one_expects(
    reply_to: Callable[..., func.HttpResponse], case: str
) -> None:
    value, text = JSON_FORMS[case]
    reply = reply_to(lambda: value)
    assert (reply.status_code, reply.mimetype, reply.get_body()) == (200, "application/json", text.encode())


def test_a_pydantic_model_is_sent_as_its_json(
    reply_to: Callable[..., func.HttpResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pydantic = pytest.importorskip("pydantic")
    fields = {"order_id": (uuid.UUID, pydantic.Field(alias="orderId")), "at": (datetime.datetime, ...)}
    order = pydantic.create_model("Order", **fields)(orderId=GUID, at=MORNING)
    reply = reply_to(lambda: {"orders": [order]})
    assert (reply.status_code, body_of(reply)) == (
        200,
        {"orders": [{"orderId": str(GUID), "at": "2026-01-02T03:04:05Z"}]},
    )


def test_a_pydantic_model_that_does_not_fit_its_types_is_not_written_to_the_log(
    reply_to: Callable[..., func.HttpResponse], recwarn: pytest.WarningsRecorder
) -> None:
    """Pydantic's warning would repeat the value on stderr, which is the log."""
    pydantic = pytest.importorskip("pydantic")
    order = pydantic.create_model("Order", number=(int, ...)).model_construct(number="secret")
    assert reply_to(lambda: {"order": order}).get_body() == b'{"order": {"number": "secret"}}'
    assert [str(warning.message) for warning in recwarn] == []


def test_an_api_s_response_with_a_status_of_ones_own(reply_to: Callable[..., func.HttpResponse]) -> None:
    reply = reply_to(lambda: (ORDERS, 201, {"Location": "/api/orders/1"}))
    headers = {"Content-Type": "application/json; v=2", "Location": "/api/orders/1"}
    assert (reply.status_code, dict(reply.headers), reply.get_body()) == (201, headers, b'{"value": [1]}')


def test_bytes_are_sent_as_they_are(reply_to: Callable[..., func.HttpResponse]) -> None:
    reply = reply_to(lambda: b"\x89PNG")
    assert (reply.status_code, reply.mimetype, reply.get_body()) == (200, "application/octet-stream", b"\x89PNG")
    reply = reply_to(lambda: (b"\x89PNG", 200, {"Content-Type": "image/png"}))
    assert (reply.headers["Content-Type"], reply.get_body()) == ("image/png", b"\x89PNG")


UNSENDABLE: dict[str, tuple[Callable[[], object], str]] = {
    "object": (lambda: {"roles": [object()]}, "a object at .roles[0]; JSON has no form for it"),
    "class": (lambda: [Point], "a type at [0]"),
    "bytes that are no text": (lambda: {"photo": b"\xff\xd8"}, "a bytes at .photo; they are not UTF-8"),
    "generator": (lambda: {"rows": (row for row in "a")}, "a generator at .rows; make it a list"),
    "NaN in a dataclass": (lambda: {"at": Point(float("nan"))}, "NaN or Infinity at .at.x"),
    "NaN as a Decimal": (lambda: [decimal.Decimal("NaN")], "a Decimal at [0]"),
    "object in a set": (lambda: {"of": frozenset({Color})}, "a EnumType at .of[0]"),
    "coroutine": (lambda: asyncio.sleep(0), "await it"),
    "nan": (lambda: {"ratio": float("nan")}, "NaN or Infinity at .ratio"),
    "infinity": (lambda: [float("-inf")], "NaN or Infinity at [0]"),
    "response in a dict": (lambda: {"reply": func.HttpResponse("x")}, "a HttpResponse at .reply; return it alone"),
    "an API's response that is not JSON": (lambda: {"orders": HTML}, "an API's response at .orders; it is not JSON"),
    "an error returned": (lambda: Forbidden("secret"), "a Forbidden; raise it"),
    "tuple as key": (lambda: {("secret", 1): 2}, "a dict with a tuple as a key; make it a str"),
    "bytes as key": (lambda: {"by": {b"secret": 2}}, "a dict with a bytes as a key at .by"),
    "mail address as key": (lambda: {"secret@contoso.com": object()}, "a object at [*]"),
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
    point = Point()
    point.tags = point  # type: ignore[assignment]
    for work in (lambda: loop, lambda: deep, lambda: point):
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
