"""Many calls in one request: in their order, each with its own end, each as good as a call alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulators.canned import CannedResponse
from shared import BatchCall
from shared.downstream.batch import BatchResponse
from shared.errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    ConsentRequired,
    NotFound,
    RequestRejected,
    ServiceUnavailable,
)
from shared.hosting.response import reply_to
from shared.services import Services
from shared.sessions import RequestContext
from shared.telemetry.request_record import RequestRecord
from shared.user.async_user import AsyncUser
from shared.user.user import User
from tests.support.lab import Lab

CLAIMS = base64.b64encode(b'{"access_token":{"nbf":{"essential":true,"value":"1"}}}').decode()
CHALLENGE = {"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{CLAIMS}"'}
Parts = list[dict[str, Any]]


class BatchingGraph:
    """Takes batches in place of the emulated Graph's own. `reply` makes each part's response."""

    def __init__(self, lab: Lab, services: Services, token: str) -> None:
        self.lab, self.services, self.token = lab, services, token
        self.asked: list[Parts] = []
        self.bearers: list[str] = []
        self.reply: Callable[[dict[str, Any]], dict[str, Any]] = lambda part: {"status": 200, "body": part["url"]}
        self.whole: Callable[[Parts], Any] = lambda parts: {"responses": parts[::-1]}

    def batch(self, *calls: BatchCall) -> list[BatchResponse]:
        return self.lab.user(self.services, self.token).api("Graph").batch(calls)

    def respond(self, asked: Parts, bearer: str) -> Any:
        self.asked.append(asked)
        self.bearers.append(bearer)
        failed: set[str] = set()
        parts = []
        for part in asked:
            answer = {"status": 424} if failed & set(part.get("dependsOn", ())) else self.reply(part)
            if answer["status"] >= 400:
                failed.add(part["id"])
            parts.append({"id": part["id"], **answer})
        return self.whole(parts)


@pytest.fixture
def graph(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchingGraph]:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.user(services, token).token("Graph")
    batching = BatchingGraph(lab, services, token)
    canned = CannedResponse("POST /batch")
    send = services.apis.transport.send

    def noting(method: str, url: str, **options: Any) -> Any:
        """The emulated Graph checks the token; what it sends was made from the body of this very request.

        Its own batch is another, which makes each call alone.
        """
        if url.endswith("/$batch"):
            answer = batching.respond(json.loads(options["data"])["requests"], options["bearer"])
            canned._content = answer if isinstance(answer, str) else json.dumps(answer)
            url = url.replace("$batch", "batch")
        return send(method, url, **options)

    monkeypatch.setattr(services.apis.transport, "send", noting)
    lab.stack.graph.canned.add(canned)
    yield batching
    lab.stack.graph.canned.clear()


def once(*first: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """These responses, one after the other, then 200."""
    rest = list(first)
    return lambda part: rest.pop(0) if rest else {"status": 200, "body": part["url"]}


def test_the_responses_are_in_the_order_of_the_calls_whatever_the_api_does(graph: BatchingGraph) -> None:
    got = graph.batch(
        BatchCall("GET", "/me"),
        BatchCall("GET", "/users/{id}", path_params={"id": "a/b"}, params={"$select": "id,mail"}),
        BatchCall("POST", "/me/events?x=1", params={"y": "2"}, json={"a": 1}, headers={"Prefer": "p"}),
    )
    assert [part.json() for part in got] == ["/me", "/users/a%2Fb?%24select=id%2Cmail", "/me/events?x=1&y=2"]
    assert graph.asked == [
        [
            {"id": "0", "method": "GET", "url": "/me"},
            {"id": "1", "method": "GET", "url": "/users/a%2Fb?%24select=id%2Cmail"},
            {
                "id": "2",
                "method": "POST",
                "url": "/me/events?x=1&y=2",
                "headers": {"Prefer": "p", "Content-Type": "application/json"},
                "body": {"a": 1},
            },
        ]
    ]


def test_an_async_user_awaits_them(graph: BatchingGraph) -> None:
    services = graph.services
    context = RequestContext(services.sessions, services.sessions.open(graph.token), graph.token, RequestRecord())
    got = asyncio.run(AsyncUser(context, services.apis).api("Graph").batch([BatchCall("GET", "/me")]))
    assert [part.status_code for part in got] == [200]


def test_no_calls_need_no_request(graph: BatchingGraph) -> None:
    assert graph.batch() == []
    assert graph.asked == []


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (20, [20]), (21, [20, 1]), (45, [20, 20, 5])])
def test_twenty_go_into_one_request(graph: BatchingGraph, count: int, sizes: list[int]) -> None:
    got = graph.batch(*(BatchCall("GET", f"/things/{number}") for number in range(count)))
    assert [part.json() for part in got] == [f"/things/{number}" for number in range(count)]
    assert [len(parts) for parts in graph.asked] == sizes


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejected),
        (401, BadGateway),
        (403, AccessDenied),
        (404, NotFound),
        (409, RequestRejected),
        (429, ServiceUnavailable),
        (500, BadGateway),
        (302, BadGateway),
    ],
)
def test_a_part_raises_what_the_call_alone_would_raise(graph: BatchingGraph, status: int, kind: type[ApiError]) -> None:
    graph.reply = lambda part: (
        {"status": status, "headers": {"retry-after": "7"}} if part["id"] == "1" else {"status": 204}
    )
    first, second = graph.batch(BatchCall("DELETE", "/a"), BatchCall("POST", "/b"))
    assert (first.raise_for_status(), first.status_code, first.content) == (first, 204, b"")
    assert (second.status_code, second.headers["Retry-After"]) == (status, "7")
    with pytest.raises(ApiError) as raised:
        second.raise_for_status()
    assert type(raised.value) is kind
    if status == 429:
        assert raised.value.retry_after == 7
    for use in (second.json, lambda: reply_to(second), lambda: reply_to({"parts": [second]})):
        with pytest.raises(kind):
            use()
    assert reply_to(first).status_code == 204


def test_the_redirect_of_a_get_is_no_error(graph: BatchingGraph) -> None:
    graph.reply = lambda _: {"status": 302, "headers": {"Location": "https://files.example/a?sig=1"}}
    (part,) = graph.batch(BatchCall("GET", "/me/drive/items/1/content"))
    assert reply_to(part.raise_for_status()).headers["Location"] == "https://files.example/a?sig=1"


@pytest.mark.parametrize(
    ("headers", "body", "content"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, {"a": 1}, b'{"a": 1}'),
        ({}, ["a"], b'["a"]'),
        ({"content-type": "application/json"}, "a", b'"a"'),
        ({"Content-Type": "text/plain"}, "abcd", b"abcd"),
        ({"Content-Type": "image/jpeg"}, "/+8=", b"\xff\xef"),
        ({"Content-Type": "image/jpeg"}, "_-8", b"\xff\xef"),
        (None, None, b""),
    ],
)
def test_a_body_is_json_text_or_base64(graph: BatchingGraph, headers: Any, body: Any, content: bytes) -> None:
    graph.reply = lambda _: {"status": 200, "headers": headers, "body": body}
    assert graph.batch(BatchCall("GET", "/a"))[0].content == content


def test_bytes_are_sent_as_base64(graph: BatchingGraph) -> None:
    graph.batch(BatchCall("PUT", "/a", data=b"\xff\xef", headers={"Content-Type": "image/png"}))
    assert graph.asked[0][0]["body"] == "/+8="


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_claims_challenge_costs_one_exchange_and_the_part_is_sent_again(graph: BatchingGraph, method: str) -> None:
    graph.reply = once({"status": 200}, {"status": 401, "headers": CHALLENGE}, {"status": 401, "headers": CHALLENGE})
    mark = graph.lab.stack.audit.mark()
    got = graph.batch(BatchCall("GET", "/0"), BatchCall(method, "/1"), BatchCall("GET", "/2"))
    assert [part.raise_for_status().status_code for part in got] == [200, 200, 200]
    assert [[part["id"] for part in parts] for parts in graph.asked] == [["0", "1", "2"], ["1", "2"]]
    assert len(graph.lab.exchanges(mark)) == 1
    assert graph.bearers[0] != graph.bearers[1]


def test_a_challenge_that_entra_cannot_answer_is_that_of_the_part_alone(graph: BatchingGraph) -> None:
    mfa = base64.b64encode(b'{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').decode()
    demand = {"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{mfa}"'}
    graph.reply = lambda part: {"status": 401, "headers": demand} if part["id"] == "1" else {"status": 200}
    first, second = graph.batch(BatchCall("GET", "/0"), BatchCall("GET", "/1"))
    assert first.raise_for_status().status_code == 200
    with pytest.raises(ClaimsChallenge):
        second.raise_for_status()
    assert len(graph.asked) == 1


def test_after_a_401_only_what_may_be_repeated_is(graph: BatchingGraph) -> None:
    graph.reply = once({"status": 401}, {"status": 401})
    mark = graph.lab.stack.audit.mark()
    got = graph.batch(BatchCall("GET", "/0"), BatchCall("POST", "/1"), BatchCall("GET", "/2"))
    assert [part.status_code for part in got] == [200, 401, 200]
    assert [[part["id"] for part in parts] for parts in graph.asked] == [["0", "1", "2"], ["0"]]
    assert len(graph.lab.exchanges(mark)) == 1
    with pytest.raises(BadGateway):
        got[1].raise_for_status()


def test_a_403_stands_while_a_new_token_has_the_same_scopes(graph: BatchingGraph) -> None:
    graph.reply = lambda _: {"status": 403, "body": {"error": {"code": "Authorization_RequestDenied"}}}
    mark = graph.lab.stack.audit.mark()
    for _ in range(2):
        (part,) = graph.batch(BatchCall("GET", "/0"))
        with pytest.raises(AccessDenied, match="Authorization_RequestDenied"):
            part.raise_for_status()
    assert len(graph.lab.exchanges(mark)) == 1
    assert len(graph.asked) == 2


def test_an_api_that_refuses_every_token_costs_one_exchange(graph: BatchingGraph) -> None:
    graph.reply = lambda _: {"status": 401}
    mark = graph.lab.stack.audit.mark()
    for _ in range(2):
        assert [part.status_code for part in graph.batch(BatchCall("GET", "/0"))] == [401]
    assert len(graph.lab.exchanges(mark)) == 1
    assert len(graph.asked) == 3


def test_a_throttled_part_is_repeated_once_after_its_pause(graph: BatchingGraph) -> None:
    slow = {"status": 429, "headers": {"Retry-After": "3"}}
    graph.reply = once({"status": 200}, slow, {"status": 429, "headers": {"Retry-After": "2"}}, slow)
    began = graph.lab.clock.at
    got = graph.batch(*(BatchCall(method, f"/{method}") for method in ("GET", "GET", "PUT", "POST")))
    assert [part.status_code for part in got] == [200, 200, 200, 429]
    assert [[part["id"] for part in parts] for parts in graph.asked] == [["0", "1", "2", "3"], ["1", "2"]]
    assert 3 <= graph.lab.clock.at - began <= 3.4


def test_a_long_pause_is_passed_on(graph: BatchingGraph) -> None:
    graph.reply = lambda _: {"status": 429, "headers": {"Retry-After": "17"}}
    (part,) = graph.batch(BatchCall("GET", "/0"))
    with pytest.raises(ServiceUnavailable) as raised:
        part.raise_for_status()
    assert (raised.value.retry_after, len(graph.asked)) == (17, 1)


def test_what_depends_on_a_repeated_part_comes_after_it(graph: BatchingGraph) -> None:
    graph.reply = once({"status": 200}, {"status": 401})
    got = graph.batch(
        BatchCall("GET", "/0"),
        BatchCall("PUT", "/1", depends_on=[0]),
        BatchCall("POST", "/2", depends_on=[0, 1]),
        BatchCall("POST", "/3", depends_on=[2]),
    )
    assert [part.status_code for part in got] == [200] * 4
    assert [[(part["id"], part.get("dependsOn")) for part in parts] for parts in graph.asked] == [
        [("0", None), ("1", ["0"]), ("2", ["0", "1"]), ("3", ["2"])],
        [("1", None), ("2", ["1"]), ("3", ["2"])],
    ]


@pytest.mark.parametrize(("status", "last"), [(200, 200), (404, 424)])
def test_a_condition_in_an_earlier_request_holds_as_well(graph: BatchingGraph, status: int, last: int) -> None:
    graph.reply = once({"status": status})
    calls = [BatchCall("GET", f"/{number}") for number in range(20)]
    got = graph.batch(*calls, BatchCall("GET", "/20", depends_on=[0]), BatchCall("GET", "/21", depends_on=[20]))
    assert [part.status_code for part in got[18:]] == [200, 200, last, last]
    assert len(graph.asked) == (2 if status == 200 else 1)


@pytest.mark.parametrize(
    "call",
    [
        BatchCall("GET", "/../admin"),
        BatchCall("GET", "https://evil.example/"),
        BatchCall("GET", "/a", depends_on=[1]),
        BatchCall("GET", "/a", depends_on=[-1]),
        BatchCall("GET", "/a", depends_on=[0, 2]),
        BatchCall("BREW", "/a"),
        BatchCall("GET", "/a", headers={"Authorization": "x"}),
        BatchCall("GET", "/a/{id}", path_params={"id": ".."}),
        BatchCall("POST", "/a", json=float("nan")),
    ],
)
def test_one_call_that_cannot_be_sent_stops_them_all(graph: BatchingGraph, call: BatchCall) -> None:
    with pytest.raises(ValueError, match=r"path|method|header|depends_on|JSON"):
        graph.batch(BatchCall("GET", "/me"), call)
    assert graph.asked == []


@pytest.mark.parametrize(
    "whole",
    [
        lambda parts: {},
        lambda parts: [],
        lambda parts: "no JSON",
        lambda parts: {"responses": parts[1:]},
        lambda parts: {"responses": None},
        lambda parts: {"responses": ["a"]},
        lambda parts: {"responses": parts * 2},
        lambda parts: {"responses": [*parts, {"id": "99", "status": 200}]},
        lambda parts: {"responses": [{"id": "0", "status": "200"}]},
        lambda parts: {"responses": [{"id": "0", "status": 99}]},
        lambda parts: {"responses": [{"id": "0", "status": 200, "headers": ["a"]}]},
        lambda parts: {"responses": [{"id": "0", "status": 200, "headers": {"Content-Type": "a/b"}, "body": "%"}]},
    ],
)
def test_what_is_no_response_to_a_batch_is_a_bad_gateway(graph: BatchingGraph, whole: Callable[[Parts], Any]) -> None:
    graph.whole = whole
    with pytest.raises(BadGateway):
        graph.batch(BatchCall("GET", "/0"))


def test_a_batch_ends_with_its_request(graph: BatchingGraph) -> None:
    """Its token was had while the request ran; a thread that goes on must not send it later."""
    services = graph.services
    context = RequestContext(services.sessions, services.sessions.open(graph.token), graph.token, RequestRecord())
    graph.reply = lambda _: context.close() or {"status": 200}  # type: ignore[func-returns-value]  # between two requests
    got = User(context, services.apis).api("Graph").batch([BatchCall("GET", f"/{number}") for number in range(21)])
    assert len(graph.asked) == 1
    with pytest.raises(ApiError, match="kept longer than its request"):
        got[20].raise_for_status()


def test_a_failure_of_the_first_request_is_that_of_the_batch(graph: BatchingGraph) -> None:
    graph.lab.stack.faults.add("graph", status=403, headers={"WWW-Authenticate": 'Bearer proposedAction="consent"'})
    with pytest.raises(ConsentRequired):
        graph.batch(BatchCall("GET", "/0"))


def test_a_failure_of_a_later_one_is_that_of_its_parts(graph: BatchingGraph) -> None:
    """The parts of the first one were done; who gets no responses would do them again."""

    def whole(parts: Parts) -> Any:
        return {"responses": parts if len(parts) == 20 else []}

    graph.whole = whole
    got = graph.batch(*(BatchCall("POST", f"/{number}") for number in range(21)))
    assert [part.status_code for part in got] == [200] * 20 + [502]
    with pytest.raises(BadGateway):
        got[20].raise_for_status()
