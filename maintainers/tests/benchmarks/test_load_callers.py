"""What the callers of `dev.py bench load` send, and when they begin to count."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from maintainers.benchmarks.load.callers import carry_out
from maintainers.benchmarks.load.mix import BAD, NEW, Step
from maintainers.benchmarks.load.observed import Observed
from maintainers.benchmarks.load.plant import Plant
from shared.errors import InvalidToken
from tests.support.clock import Clock
from tests.support.lab import Lab

TAKES = 1.0  # second for a response, by a clock that nothing else moves


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def server(clock: Clock) -> Iterator[str]:
    """Responds 401 for `Bearer bad`, closes the connection for `Bearer nobody`, and responds 200 for others."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            clock.forward(TAKES)
            bearer = self.headers["Authorization"].removeprefix("Bearer ")
            if bearer == "nobody":
                self.close_connection = True
                return
            body = json.dumps({"code": "invalid_token"} if bearer == "bad" else {"code": "not an error"}).encode()
            self.send_response(401 if bearer == "bad" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{listener.server_address[1]}"
        listener.shutdown()


def job(server: str, per_second: float, *bearers: str) -> dict[str, Any]:
    steps = [(number, 0, "/api/me", bearer) for number, bearer in enumerate(bearers)]
    return {"urls": [server], "steps": steps, "per_second": per_second, "threads": 1}


def test_a_call_that_waits_for_a_free_caller_has_waited(server: str, clock: Clock) -> None:
    """Otherwise a server that stops for a second would be slow for one call only, and not for all that were due."""
    results = carry_out(job(server, 10, "a", "b", "c"), clock, clock.forward)

    assert [ms for *_, ms in results] == pytest.approx([1000, 1900, 2800])


def test_a_call_that_is_not_due_yet_waits_for_its_moment_and_that_is_not_counted(server: str, clock: Clock) -> None:
    results = carry_out(job(server, 0.5, "a", "b"), clock, clock.forward)

    assert [ms for *_, ms in results] == pytest.approx([1000, 1000])
    assert clock() == pytest.approx(3.0)


def test_status_and_code_or_the_name_of_what_went_wrong(server: str, clock: Clock) -> None:
    results = carry_out(job(server, 0, "a", "bad", "nobody", "a"), clock, clock.forward)

    said = [(200, ""), (401, "invalid_token"), (0, "RemoteDisconnected"), (200, "")]
    assert [result[:3] for result in results] == [(number, *each) for number, each in enumerate(said)]
    assert [ms for *_, ms in results] == pytest.approx([1000] * 4)


def test_a_forged_token_is_refused_for_its_signature_and_for_nothing_before_it(lab: Lab) -> None:
    plant = Plant(lab.stack, [], None, Observed(), cast(Any, None), [])
    sessions = lab.services().sessions
    genuine = [plant.bearer(Step(0, NEW, token, 0, "/api/me")) for token in range(3)]
    forged = [plant.bearer(Step(0, BAD, token, 0, "/api/me")) for token in range(3)]

    assert all(sessions.open(bearer) for bearer in genuine)
    assert {bearer.rpartition(".")[2] for bearer in forged} == {bearer.rpartition(".")[2] for bearer in genuine}
    for bearer in forged:
        with pytest.raises(InvalidToken) as refused:
            sessions.open(bearer)
        assert refused.value.reason.startswith("signature: ")
