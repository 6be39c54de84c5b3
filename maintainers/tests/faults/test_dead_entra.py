"""Entra does not respond: it is not called for a while, callers get Retry-After, and live sessions continue."""

from __future__ import annotations

import pytest

from shared.net.circuit_breaker import FAILURES, MAX_OPEN_SECONDS
from tests.support.lab import Lab, finish_background_work

from .api import Api
from .audit import failed, steps
from .failures import failing
from .short_timeouts import ShortTimeouts

IT_IS_DOWN = ["no connection", "foreign TLS", "reset at once", "hangs", "503", "200, no JSON"]
IT_HAS_AN_OPINION = ["429, 30 s", "500"]


def newcomers(lab: Lab, api: Api, count: int) -> list[tuple[int, int | None]]:
    """What as many callers get whom the API has never seen."""
    replies = [api.call("me", lab.stack.issue_access_token("alice")) for _ in range(count)]
    return [(reply.status, reply.retry_after) for reply in replies]


def it_stays_down(lab: Lab, api: Api) -> None:
    """Each probe that fails doubles the time to the next one, up to MAX_OPEN_SECONDS."""
    for _ in range(4):
        lab.clock.forward(MAX_OPEN_SECONDS)
        newcomers(lab, api, 1)


@pytest.mark.parametrize("failure", IT_IS_DOWN)
def test_it_is_left_alone_and_found_again(
    failure: str, lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, olga = Api(lab, timeouts), lab.stack.issue_access_token("olga")
    assert api.call("me", olga).status == 200
    mark = lab.stack.audit.mark()
    with failing(lab, failure, "token", timeouts, monkeypatch):
        assert {status for status, _ in newcomers(lab, api, FAILURES)} == {503}
        assert failed(lab, mark) <= 2 * FAILURES
        it_stays_down(lab, api)
        tried = failed(lab, mark)
        waits = newcomers(lab, api, 10)
        assert failed(lab, mark) == tried  # nobody asks Entra any more ...
        assert all(status == 503 and wait is not None and 0 < wait <= MAX_OPEN_SECONDS for status, wait in waits)
        assert api.call("me", olga).status == 200  # ... and who has a session does not need to
        lab.clock.forward(MAX_OPEN_SECONDS)
        newcomers(lab, api, 10)
        assert failed(lab, mark) == tried + 1  # one goes to see whether it is back
    lab.clock.forward(MAX_OPEN_SECONDS)
    mark = lab.stack.audit.mark()
    assert newcomers(lab, api, 3) == [(200, None)] * 3
    assert steps(lab, mark) == ["entra:obo", "graph:me"] * 3
    finish_background_work()


@pytest.mark.parametrize("failure", IT_HAS_AN_OPINION)
def test_a_response_about_one_caller_stops_no_other_caller(
    failure: str, lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(lab, timeouts)
    assert api.call("me", lab.stack.issue_access_token("olga")).status == 200
    with failing(lab, failure, "token", timeouts, monkeypatch):
        newcomers(lab, api, 3 * FAILURES)
    assert newcomers(lab, api, 1) == [(200, None)]


def test_a_cold_start_while_entra_is_down_spares_the_vault(
    lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate that was read during the first request is there when Entra responds again."""
    api = Api(lab, timeouts)
    token = lab.stack.issue_access_token("alice")
    mark = lab.stack.audit.mark()
    with failing(lab, "503", "discovery", timeouts, monkeypatch):
        for _ in range(10):
            assert api.call("me", token).status == 503
    finish_background_work()
    lab.clock.forward(MAX_OPEN_SECONDS)
    assert api.call("me", token).status == 200
    assert steps(lab, mark).count("vault:secret") == 1


@pytest.mark.parametrize("failure", ["503", "no connection"])
def test_a_vault_that_is_down_is_left_alone_too(
    failure: str, lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, token = Api(lab, timeouts), lab.stack.issue_access_token("alice")
    mark = lab.stack.audit.mark()
    with failing(lab, failure, "vault", timeouts, monkeypatch):
        for _ in range(FAILURES):
            assert api.call("me", token).status == 503
        it_stays_down(lab, api)
        tried = failed(lab, mark)
        for _ in range(10):
            assert api.call("me", token).status == 503
        assert failed(lab, mark) == tried
    lab.clock.forward(MAX_OPEN_SECONDS)
    assert api.call("me", token).status == 200


def test_a_vault_that_says_no_is_not_asked_by_every_caller(lab: Lab, timeouts: ShortTimeouts) -> None:
    api, token = Api(lab, timeouts), lab.stack.issue_access_token("alice")
    lab.stack.faults.add("vault", status=403, body={"error": {"code": "Forbidden", "message": "x"}})
    mark = lab.stack.audit.mark()
    for _ in range(20):
        assert api.call("me", token).status == 500
    assert failed(lab, mark) <= 2 * FAILURES
