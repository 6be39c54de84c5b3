"""Every cell of the first table in matrix.py: the response, its cost, what was kept, and the next request."""

from __future__ import annotations

import uuid

import pytest

from tests.support.lab import Lab, finish_background_work
from tests.support.leaks import LeakWatch

from .api import Api, Reply
from .audit import settled, steps
from .failures import FAULTS, SECONDS_PER_BYTE, TARGETS, failing
from .matrix import CODES, NEEDED_NOW, Cell, cells
from .scenes import SCENES
from .short_timeouts import ShortTimeouts

A_FEW_BYTES = 10 * 4 * SECONDS_PER_BYTE  # a busy machine may hand over as many at a time

CELLS = cells(NEEDED_NOW)


def test_the_table_is_complete() -> None:
    assert {cell.service for cell in CELLS} == set(TARGETS) == set(SCENES)
    assert list(dict.fromkeys(cell.failure for cell in CELLS)) == list(FAULTS)
    left_out = {(service, failure) for service in TARGETS for failure in FAULTS} - {
        (cell.service, cell.failure) for cell in CELLS
    }
    on_one_host = {("keys", failure) for failure in ("no connection", "no such name", "silence", "foreign TLS")}
    without_tls = {("identity", "silence"), ("identity", "foreign TLS")}
    assert left_out == on_one_host | without_tls


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_failure(
    cell: Cell, lab: Lab, timeouts: ShortTimeouts, leak_watch: LeakWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, api, token = SCENES[cell.service], Api(lab, timeouts), lab.stack.issue_access_token("alice")
    olga = lab.stack.issue_access_token("olga")
    scene.prepare(lab, api, token, olga)
    timeouts.forget()
    mark = lab.stack.audit.mark()
    with failing(lab, cell.failure, cell.service, timeouts, monkeypatch):
        reply = api.call(scene.function, token)
        leak_watch.scan(f"{reply.headers} {reply.body[:10_000]!r}", f"reply to {cell}")
        check_reply(reply, cell)
        check_attempts(lab, mark, timeouts, cell)
        if cell.service == "token" and cell.failure != "no such name":
            check_that_others_do_not_notice(lab, api, olga)
    finish_background_work()
    lab.clock.forward(reply.retry_after or 0)
    mark = lab.stack.audit.mark()
    again = api.call(scene.function, token)
    assert (again.status, again.waited) == (200, 0.0)
    assert " ".join(steps(lab, mark)) == scene.next_request


def check_reply(reply: Reply, cell: Cell) -> None:
    allowed = 1 if cell.failure == "429, date" else 0  # a date has whole seconds
    assert (reply.status, reply.problem.get("code")) == (cell.status, CODES.get(cell.status))
    assert abs((reply.retry_after or 0) - (cell.retry_after or 0)) <= allowed
    drips = cell.failure.startswith("drips")
    assert cell.seconds / 2 - 2 <= reply.waited <= cell.seconds + (A_FEW_BYTES if drips else 0)
    if reply.status != 200:
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.problem["status"] == cell.status
        assert uuid.UUID(reply.problem["correlation_id"])
        assert set(reply.problem) == {"status", "code", "detail", "correlation_id"}


def check_attempts(lab: Lab, mark: int, timeouts: ShortTimeouts, cell: Cell) -> None:
    sent = timeouts.sent_to(cell.service)
    assert sent == cell.attempts or (cell.failure.startswith("drips") and sent == cell.attempts + 1)  # without a chance
    assert settled(lab, mark, arrived := 0 if cell.failure == "no such name" else cell.attempts) == arrived
    elsewhere = [entry for entry in lab.stack.audit.entries(mark) if "management" in f"{entry.service} {entry.path}"]
    assert elsewhere == []  # no redirect was followed


def check_that_others_do_not_notice(lab: Lab, api: Api, olga: str) -> None:
    """She called before, and what was exchanged for her is kept."""
    mark = lab.stack.audit.mark()
    reply = api.call("me", olga)
    assert reply.status == 200
    assert reply.waited < 1  # a byte may still drip
    assert steps(lab, mark) == ["graph:me"]
