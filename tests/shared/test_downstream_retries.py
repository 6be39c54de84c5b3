"""Which calls are repeated: only idempotent ones, after a fitting pause, a bounded number of times."""

from __future__ import annotations

from typing import Any

import pytest

from shared.downstream.api import ATTEMPTS
from shared.errors import ApiError, BadGateway, ServiceUnavailable
from tests.support.lab import Lab


def calls(lab: Lab, method: str = "GET", **options: Any) -> tuple[object, int, float]:
    """How a call of Graph ends (a status or an error), how often it was sent, and how long it paused."""
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    graph = lab.user(services, token).api("Graph")
    lab.user(services, token).token("Graph")
    mark, started = lab.stack.audit.mark(), lab.clock.at
    try:
        ended: object = graph.request(method, "/me", **options).status_code
    except ApiError as error:
        ended = error
    sent = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"]
    return ended, len(sent), lab.clock.at - started


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_not_seen_by_the_caller(lab: Lab, status: int) -> None:
    lab.stack.faults.add("graph", status=status, times=ATTEMPTS - 1)
    ended, sent, paused = calls(lab)
    assert (ended, sent) == (200, ATTEMPTS)
    assert paused <= 0.4 + 0.8


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 501])
def test_what_will_not_pass_is_sent_once(lab: Lab, status: int) -> None:
    lab.stack.faults.add("graph", status=status)
    ended, sent, paused = calls(lab)
    assert isinstance(ended, ApiError)
    assert (sent, paused) == (1, 0)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_idempotent_methods_may_be_repeated(lab: Lab, method: str) -> None:
    lab.stack.faults.add("graph", status=503)
    ended, sent, _ = calls(lab, method)
    assert isinstance(ended, BadGateway)
    assert sent == ATTEMPTS


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_might_be_done_twice_is_sent_once(lab: Lab, method: str) -> None:
    lab.stack.faults.add("graph", status=503)
    assert calls(lab, method, json={})[1:] == (1, 0)


def test_unless_its_author_says_that_it_may_be_repeated(lab: Lab) -> None:
    lab.stack.faults.add("graph", status=503)
    assert calls(lab, "POST", json={}, idempotent=True)[1] == ATTEMPTS


def test_an_author_may_forbid_it_too(lab: Lab) -> None:
    lab.stack.faults.add("graph", status=503)
    assert calls(lab, idempotent=False)[1] == 1


def test_a_short_retry_after_is_obeyed(lab: Lab) -> None:
    lab.stack.faults.add("graph", status=429, headers={"Retry-After": "3"}, times=1)
    ended, sent, paused = calls(lab)
    assert (ended, sent) == (200, 2)
    assert 3 <= paused <= 3.4


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_one_is_passed_on_at_once(lab: Lab, status: int) -> None:
    lab.stack.faults.add("graph", status=status, headers={"Retry-After": "17"})
    ended, sent, paused = calls(lab)
    assert isinstance(ended, ServiceUnavailable)
    assert (ended.retry_after, sent, paused) == (17, 1, 0)


def test_an_api_that_is_down_soon_gets_each_call_only_once(lab: Lab) -> None:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.user(services, token).token("Graph")
    lab.stack.faults.add("graph", status=500)
    mark = lab.stack.audit.mark()
    for _ in range(10):
        with pytest.raises(BadGateway):
            lab.user(services, token).api("Graph").get("/me")
    sent = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"]
    assert len(sent) == 10 + 4  # what the budget of shared/net/retries.py allows
