"""Every cell of the last table in matrix.py: the known value is used, and the failure shows in the log only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, finish_background_work

from .api import Api
from .audit import settled, steps
from .failures import FAULTS, failing
from .matrix import STILL_GOOD, Cell, cells
from .scenes import REFRESHES
from .short_timeouts import ShortTimeouts

CELLS = cells(STILL_GOOD)


@pytest.fixture(autouse=True)
def _long_lives(lab: Lab) -> Iterator[None]:
    usual = lab.stack.entra.lifetime
    yield
    lab.stack.entra.lifetime = usual


def test_the_table_is_complete() -> None:
    """Slow responses are left out: nobody waits for them here. So is DNS, which fails for all hosts or for none."""
    assert {cell.service for cell in CELLS} == set(REFRESHES)
    assert {cell.failure for cell in CELLS} < set(FAULTS)
    assert len(CELLS) == 14 * 5 - 3


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_failure(cell: Cell, lab: Lab, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh, api = REFRESHES[cell.service], Api(lab, timeouts)
    lab.stack.entra.lifetime = refresh.lifetime
    tokens = {person: lab.stack.issue_access_token(person, lifetime=36_000) for person in ("alice", "olga", "greta")}
    assert api.call("me", tokens["alice"]).status == 200
    lab.clock.forward(refresh.after + 1)
    mark = lab.stack.audit.mark()
    with failing(lab, cell.failure, cell.service, timeouts, monkeypatch):
        timeouts.expect_nothing_of("")  # the service still hangs, so the caller must have got its response before
        reply = api.call("me", tokens[refresh.person])
        assert (reply.status, reply.retry_after) == (200, None)
        assert timeouts.paused_here() == 0
        assert settled(lab, mark, cell.attempts) == cell.attempts
        if cell.failure != "hangs":
            finish_background_work()
            once_more = api.call("me", tokens[refresh.person])
            assert (once_more.status, once_more.waited) == (200, 0.0)  # what was known is still known
            assert settled(lab, mark, cell.attempts) == cell.attempts  # and is not asked for at every turn
    finish_background_work()
    if cell.failure != "hangs":  # which is over now, so the service has responded
        assert went_well(lab, mark) == sorted([*refresh.meanwhile.split(), "graph:me"])
    lab.clock.forward(60)
    mark = lab.stack.audit.mark()
    assert api.call("me", tokens[refresh.next_person]).status == 200
    finish_background_work()
    assert cell.failure == "hangs" or set(refresh.renewed.split()) <= set(went_well(lab, mark))


def went_well(lab: Lab, mark: int) -> list[str]:
    return sorted(steps(lab, mark))
