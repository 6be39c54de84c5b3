"""A write is sent once, or as often as the function allows, even if the connection fails."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab

from .api import Api
from .audit import settled, steps
from .failures import FAULTS, failing
from .short_timeouts import ShortTimeouts

LOST = ["no HTTP", "reset at once", "reset midway", "500", "503", "429"]


@pytest.mark.parametrize("failure", LOST)
def test_an_order_is_not_placed_twice(
    failure: str, lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Orders API may have taken it before the connection broke. Who knows better says so: `idempotent=True`."""
    api, token = Api(lab, timeouts), lab.stack.issue_access_token("alice")
    for function, sent in (("add order", 1), ("add order once", 3)):
        mark = lab.stack.audit.mark()
        with failing(lab, failure, "orders", timeouts, monkeypatch):
            assert api.call(function, token).status in (502, 503)
            assert settled(lab, mark, sent) == sent


def test_a_failure_that_passes_is_not_seen_where_a_call_may_be_repeated(lab: Lab, timeouts: ShortTimeouts) -> None:
    api, token = Api(lab, timeouts), lab.stack.issue_access_token("alice")
    for kind in ("refused", "reset-before", "reset", "garbage"):
        lab.stack.faults.add("graph", network=kind, times=1)
        assert api.call("me", token).status == 200
        lab.stack.faults.add("orders", network=kind, times=1)
        assert api.call("add order once", token).status == 200
    assert "no HTTP" in FAULTS


@pytest.mark.parametrize("function", ["me", "add order"])
def test_a_connection_that_died_while_it_lay_idle_is_noticed_in_time(
    function: str, lab: Lab, timeouts: ShortTimeouts
) -> None:
    """Load balancers drop idle connections. Neither is the call lost, nor is an order placed twice."""
    api, token = Api(lab, timeouts), lab.stack.issue_access_token("alice")
    assert api.call(function, token).status == 200
    target = "graph" if function == "me" else "orders"
    lab.stack.faults.remove(lab.stack.faults.add(target, network="refused"))  # which has ended the connection
    mark = lab.stack.audit.mark()
    reply = api.call(function, token)
    assert (reply.status, reply.waited) == (200, 0.0)
    assert steps(lab, mark) == ["graph:me" if function == "me" else "orders:orders"]
