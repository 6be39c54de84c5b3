"""One deadline for the whole request: the caller gets a response by then, even if each part is slow."""

from __future__ import annotations

from threading import Timer

import pytest

from tests.support.lab import Lab, at_once, finish_background_work

from .api import Api
from .audit import settled, steps
from .short_timeouts import ShortTimeouts

SECONDS_PER_BYTE = 0.05
A_FEW_BYTES = 40 * SECONDS_PER_BYTE  # a busy machine may hand over as many at a time
TOKEN = '{"access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer", "note": "%s"}' % (
    "x" * 200
)  # 14 seconds


def drips(lab: Lab, target: str, body: str) -> None:
    lab.stack.faults.on_drip = lambda: lab.clock.forward(SECONDS_PER_BYTE)
    lab.stack.faults.add(target, network="drip-body", status=200, body=body)


@pytest.mark.parametrize(("allowed", "status"), [("60", 504), ("20", 504), ("10", 503)])
def test_the_sum_of_slow_responses_is_bounded_too(allowed: str, status: int, lab: Lab, timeouts: ShortTimeouts) -> None:
    """Entra takes 14 seconds, then Graph never comes to an end; each by itself would be let go on for 18."""
    api, token = Api(lab, timeouts, AzureAd__RequestTimeoutSeconds=allowed), lab.stack.issue_access_token("alice")
    assert api.call("me", lab.stack.issue_access_token("olga")).status == 200
    drips(lab, "entra.token", TOKEN)
    drips(lab, "graph", "x" * 10_000)
    reply = api.call("me", token)
    lab.stack.faults.on_drip = None
    assert reply.status == status
    assert reply.waited <= min(int(allowed), 14 + 18.05 + 1) + A_FEW_BYTES


def test_a_pause_that_does_not_fit_is_not_made(lab: Lab, timeouts: ShortTimeouts) -> None:
    """Graph asks for four seconds when three are left: the caller is told to come back."""
    api, token = Api(lab, timeouts, AzureAd__RequestTimeoutSeconds="17"), lab.stack.issue_access_token("alice")
    assert api.call("me", lab.stack.issue_access_token("olga")).status == 200
    drips(lab, "entra.token", TOKEN)
    lab.stack.faults.add("graph", status=429, headers={"Retry-After": "4"})
    mark = lab.stack.audit.mark()
    reply = api.call("me", token)
    lab.stack.faults.on_drip = None
    assert (reply.status, reply.retry_after) == (503, 4)
    assert settled(lab, mark, 2) == 2  # one at Entra, one at Graph
    assert reply.waited <= 17


@pytest.mark.parametrize(
    ("target", "status"), [("entra.keys", 503), ("vault", 503), ("entra.token", 503), ("graph", 504)]
)
def test_who_waits_for_a_service_that_hangs_is_answered_while_it_hangs(
    target: str, status: int, lab: Lab, timeouts: ShortTimeouts
) -> None:
    """In real time, eight at once. One of them asks, or one per caller where each has a question of their own.

    A request that waits longer than the allowed second would get the service's response.
    """
    api = Api(lab, timeouts, AzureAd__RequestTimeoutSeconds="1")
    tokens = [lab.stack.issue_access_token("alice") for _ in range(8)]
    lab.stack.faults.add(target, network="hang")
    mark = lab.stack.audit.mark()
    in_the_end = Timer(3, lab.stack.faults.clear)
    in_the_end.start()
    replies = at_once(8, lambda number: api.call("me", tokens[number]))
    in_the_end.cancel()
    assert [reply.status for reply in replies] == [status] * 8
    assert settled(lab, mark, 1) == (1 if target in ("entra.keys", "vault") else 8)
    lab.stack.faults.clear()
    finish_background_work()


def test_a_load_goes_on_when_those_who_waited_for_it_have_gone(lab: Lab, timeouts: ShortTimeouts) -> None:
    api, token = Api(lab, timeouts, AzureAd__RequestTimeoutSeconds="1"), lab.stack.issue_access_token("alice")
    lab.stack.faults.add("vault", network="hang")
    assert api.call("me", token).status == 503
    lab.stack.faults.clear()
    finish_background_work()
    mark = lab.stack.audit.mark()
    assert api.call("me", token).status == 200
    assert steps(lab, mark) == ["entra:obo", "graph:me"]
