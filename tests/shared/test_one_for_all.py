"""What one caller, or a stranger, cannot do to all the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from shared import signing_keys
from shared.deadline import within
from shared.errors import ApiError, InvalidToken, ServiceUnavailable
from shared.services import Services
from shared.settings import Settings
from shared.signing_keys import COOLDOWN_SECONDS, FAILED_COOLDOWN_SECONDS
from shared.transport import Transport
from tests.forgery import TABLES, UNKNOWN_KEYS
from tests.forgery.genuine import Genuine
from tests.lab import Lab, at_once, finish_background_work

CALLERS = 16


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of refusals need no thousands of lines."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def without_time(lab: Lab, services: Services) -> ApiError:
    """A caller whose request has used up its time elsewhere and now wants another token."""
    user = lab.user(services, lab.stack.issue_access_token("alice"))
    with within(0.0, lab.clock), pytest.raises(ApiError) as raised:
        user.token("Graph")
    return raised.value


def test_callers_without_time_do_not_make_entra_look_dead(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("olga"))
    mark = lab.stack.audit.mark()
    for _ in range(20):
        assert without_time(lab, services).status in (503, 504)
    assert lab.exchanges(mark) == []
    assert lab.me(services, lab.stack.issue_access_token("olga")) == "Olga Olsen"


def test_callers_without_time_do_not_keep_a_circuit_open(lab: Lab) -> None:
    """They are always the first to come when it lets one through, and have nothing to say about Entra."""
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("olga"))
    outage = lab.stack.faults.add("entra.token", status=503)
    for _ in range(10):
        with pytest.raises(ServiceUnavailable):
            lab.user(services, lab.stack.issue_access_token("alice")).token("Graph")
    with pytest.raises(ServiceUnavailable, match="circuit open"):
        lab.user(services, lab.stack.issue_access_token("olga")).token("Graph")
    lab.stack.faults.remove(outage)
    lab.clock.forward(60)
    without_time(lab, services)
    assert lab.me(services, lab.stack.issue_access_token("olga")) == "Olga Olsen"


def test_a_flood_of_forged_tokens_leaves_nothing_behind(lab: Lab, quiet: None) -> None:
    """No session, no thread, and, beside one fetch of the keys, no request."""
    services, token = lab.services(), lab.stack.issue_access_token("olga")
    services.sessions.open(token)
    genuine = Genuine.taken_apart(token, lab.stack.entra.keys.current)
    rows = [row for name in ("algorithm", "header", "signature", "claim") for row in TABLES[name].values()]
    forged = [row(genuine) for row in (*rows, *UNKNOWN_KEYS.values())]
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    mark, threads = lab.stack.audit.mark(), threading.active_count()

    def flood(number: int) -> int:
        return sum(is_refused(services, token) for token in forged[number % 7 :])

    assert sum(at_once(CALLERS, flood)) == sum(len(forged[number % 7 :]) for number in range(CALLERS))
    finish_background_work()
    assert sorted(entry.action for entry in lab.stack.audit.entries(mark)) == ["discovery", "keys"]
    assert len(services.sessions) == 1
    assert threading.active_count() <= threads


def is_refused(services: Services, token: str) -> bool:
    try:
        services.sessions.open(token)
    except InvalidToken:
        return True
    return False


class Patience(Transport):
    """The real one, with a time-out that can be changed while it is in use."""

    seconds = 0.3

    def time_outs(self) -> tuple[float, float]:
        return self.seconds, self.seconds


def test_while_entras_keys_hang_strangers_hold_no_threads(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first time-out nobody waits for the next: who brings an unknown key id is answered at once."""
    monkeypatch.setattr(signing_keys, "A_MOMENT_SECONDS", 3600.0)
    services = Services(Settings.from_environ(lab.environ()), now=lab.clock, transport=Patience)
    token = lab.stack.issue_access_token("olga")
    services.sessions.open(token)
    unknown = Genuine.taken_apart(token, lab.stack.entra.keys.current).with_header(kid="unknown")
    hanging = lab.stack.faults.add("entra.keys", network="hang")
    lab.clock.forward(COOLDOWN_SECONDS + 1)
    with pytest.raises(ServiceUnavailable):
        services.sessions.open(unknown)
    finish_background_work()
    lab.clock.forward(FAILED_COOLDOWN_SECONDS + 1)
    monkeypatch.setattr(Patience, "seconds", 3600.0)  # from now on a fetch ends when the fault does, and not before
    mark, answered = lab.stack.audit.mark(), list[int]()

    def call() -> None:
        with pytest.raises(ServiceUnavailable) as raised:
            services.sessions.open(unknown)
        answered.append(raised.value.status)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    give_up_at = time.monotonic() + 10
    for caller in callers:
        caller.join(max(0.0, give_up_at - time.monotonic()))
    in_time = list(answered)
    assert services.sessions.open(token)
    lab.stack.faults.remove(hanging)
    finish_background_work()
    assert in_time == [503] * CALLERS
    assert len(lab.seen(mark, "keys")) <= 1
