"""Lists in pages: every item once, no address outside of the API, no list without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from emulators.canned import CannedResponse
from shared.errors import ApiError, BadGateway, ClaimsChallenge, GatewayTimeout
from shared.net.deadline import within
from shared.sessions import RequestContext
from shared.telemetry.request_record import RequestRecord
from shared.user.async_user import AsyncUser
from tests.support.lab import Lab

BASE = "https://graph.microsoft.com/v1.0"


@pytest.fixture(autouse=True)
def _no_canned_responses(lab: Lab) -> Iterator[None]:
    yield
    lab.stack.graph.canned.clear()


def has(lab: Lab, route: str, body: object, **more: Any) -> CannedResponse:
    canned = CannedResponse(route, body, **more)
    lab.stack.graph.canned.add(canned)
    return canned


def has_pages(lab: Lab, link: str = "@odata.nextLink") -> None:
    """Three pages with five items."""
    has(lab, "GET /things?page=3", {"value": [5]})
    has(lab, "GET /things?page=2", {"value": [3, 4], link: f"{BASE}/things?page=3"})
    has(lab, "GET /things?$top=2", {"value": [1, 2], link: f"{BASE}/things?page=2"})


def everything(lab: Lab, path: str = "/things", is_async: bool = False, **options: Any) -> list[Any]:
    """All items, as a `def` or an `async def` function gets them."""
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    if not is_async:
        return list(lab.user(services, token).api("Graph").items(path, **options))
    context = RequestContext(services.sessions, services.sessions.open(token), token, RequestRecord())

    async def collect() -> list[Any]:
        return [item async for item in AsyncUser(context, services.apis).api("Graph").items(path, **options)]

    return asyncio.run(collect())


@pytest.mark.parametrize("link", ["@odata.nextLink", "nextLink"])
@pytest.mark.parametrize("is_async", [False, True])
def test_every_item_of_every_page_comes_once(lab: Lab, is_async: bool, link: str) -> None:
    has_pages(lab, link)
    mark = lab.stack.audit.mark()
    assert everything(lab, is_async=is_async, params={"$top": "2"}) == [1, 2, 3, 4, 5]
    assert len(lab.seen(mark, "canned")) == 3


def test_pages_are_responses_and_come_when_they_are_due(lab: Lab) -> None:
    has_pages(lab)
    pages = lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph").pages("/things?$top=2")
    mark = lab.stack.audit.mark()
    first = next(pages)
    assert (first.status_code, first.json()["value"]) == (200, [1, 2])
    assert len(lab.seen(mark, "canned")) == 1
    assert [page.json()["value"] for page in pages] == [[3, 4], [5]]


def test_pages_of_an_async_user_are_awaited(lab: Lab) -> None:
    has_pages(lab)
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    context = RequestContext(services.sessions, services.sessions.open(token), token, RequestRecord())

    async def statuses() -> list[int]:
        pages = AsyncUser(context, services.apis).api("Graph").pages("/things?$top=2")
        return [page.status_code async for page in pages]

    assert asyncio.run(statuses()) == [200, 200, 200]


def test_the_path_of_a_list_may_have_values_and_each_page_the_headers(lab: Lab) -> None:
    has(lab, "GET /folders/{id}/things?page=2", {"value": [2]})
    has(lab, "GET /folders/{id}/things?$top=1", {"value": [1], "nextLink": "/v1.0/folders/a+b/things?page=2"})
    got = everything(lab, "/folders/{id}/things?$top=1", path_params={"id": "a b"}, headers={"X-Note": "n"})
    assert got == [1, 2]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/things",
        "https://graph.microsoft.com/beta/things",
        "https://graph.microsoft.com/v1.0/../beta/things",
        "https://graph.microsoft.com@evil.example/v1.0/things",
        "http://graph.microsoft.com/v1.0/things",
        "//evil.example",
        "https://orders-local.azurewebsites.net/api/orders",
        "",
        7,
        ["https://graph.microsoft.com/v1.0/things"],
    ],
)
def test_a_link_that_leads_out_of_the_api_is_a_bad_gateway_and_nothing_is_sent(lab: Lab, link: object) -> None:
    has(lab, "GET /things", {"value": [1], "@odata.nextLink": link})
    mark = lab.stack.audit.mark()
    with pytest.raises(BadGateway) as raised:
        everything(lab)
    assert "evil" not in str(raised.value)
    assert [entry.path for entry in lab.stack.audit.entries(mark) if entry.service in ("graph", "orders")] == [
        "/v1.0/things"
    ]


@pytest.mark.parametrize("body", [[1], {}, {"value": None}, {"value": {"a": 1}}, "no JSON", None, 7])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_page_that_is_no_list_is_a_bad_gateway(lab: Lab, is_async: bool, body: object) -> None:
    has(lab, "GET /things", body)
    with pytest.raises(BadGateway):
        everything(lab, is_async=is_async)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_list_without_an_end_has_one(lab: Lab, is_async: bool) -> None:
    endless = has(lab, "GET /things", {"value": [1], "nextLink": f"{BASE}/things?again"})
    with pytest.raises(BadGateway, match="max_pages"):
        everything(lab, is_async=is_async, max_pages=3)
    assert endless.asked == 3


def test_as_many_pages_as_allowed_are_no_error(lab: Lab) -> None:
    has_pages(lab)
    assert everything(lab, "/things?$top=2", max_pages=3) == [1, 2, 3, 4, 5]


def test_after_the_deadline_no_page_is_fetched(lab: Lab) -> None:
    has_pages(lab)
    things = lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph").items("/things?$top=2")
    mark = lab.stack.audit.mark()
    with within(60, lab.clock):
        assert [next(things), next(things)] == [1, 2]
        lab.clock.forward(61)
        with pytest.raises(GatewayTimeout):
            next(things)
    assert len(lab.seen(mark, "canned")) == 1


def test_each_page_is_a_call_of_its_own_with_its_errors(lab: Lab) -> None:
    has_pages(lab)
    things = lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph").items("/things?$top=2")
    next(things)
    lab.stack.graph.challenge(times=None)
    next(things)
    with pytest.raises(ClaimsChallenge):
        next(things)


@pytest.mark.parametrize(
    "options", [{"max_pages": 0}, {"path_params": {"id": "x"}}, {"headers": {"Authorization": "x"}}]
)
def test_what_cannot_be_sent_is_a_value_error_before_the_loop(lab: Lab, options: dict[str, Any]) -> None:
    graph = lab.user(lab.services(), lab.stack.issue_access_token("alice")).api("Graph")
    with pytest.raises(ValueError, match=r"max_pages|path_params|header"):
        graph.pages("/things", **options)
    with pytest.raises(ApiError):
        next(graph.items("/nothing"))
