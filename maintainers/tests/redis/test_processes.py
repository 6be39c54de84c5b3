"""A real fleet: processes that share only Redis."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.lab import Lab

from .server import RedisServer
from .tap import Tap

ROOT = Path(__file__).parents[3]
PROCESSES = 8


def ask_at_once(lab: Lab, url: str | None, bearer: str, count: int, patient: bool = False) -> list[str]:
    """What as many processes got, by its hash; all are ready before the first may begin."""
    with ExitStack() as exits:
        fleet = [
            exits.enter_context(
                subprocess.Popen(
                    [sys.executable, "-W", "error", "-m", "maintainers.tests.redis.one_instance"],
                    cwd=ROOT,
                    env=dict(os.environ),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    encoding="utf-8",
                )
            )
            for _ in range(count)
        ]
        for process in fleet:
            environ = lab.environ(TokenCache__Redis__Url=url)
            task = {"environ": environ, "bearer": bearer, "ahead": lab.clock.at, "id": str(uuid.uuid4())}
            task["patient"] = patient
            assert process.stdin is not None
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        for process in fleet:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in fleet:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.communicate(timeout=60)[0].strip() for process in fleet]


@pytest.fixture
def bearer(lab: Lab) -> str:
    """A cold token, and an Entra that takes its time, so that all want it before the first has it."""
    lab.stack.faults.add("entra.token", delay=0.5)
    return lab.stack.issue_access_token("alice")


def test_eight_processes_with_one_cold_token_cost_one_exchange(lab: Lab, server: RedisServer, bearer: str) -> None:
    mark = lab.stack.audit.mark()
    got = ask_at_once(lab, server.url, bearer, PROCESSES, patient=True)
    assert len(lab.exchanges(mark)) == 1
    assert len(got) == PROCESSES
    assert set(got) == {got[0]}
    mine = lab.user(lab.services(TokenCache__Redis__Url=server.url), bearer).token("Graph")
    assert hashlib.sha256(mine.encode()).hexdigest() == got[0]
    assert len(lab.exchanges(mark)) == 1


def test_processes_without_redis_ask_each_for_itself(lab: Lab, bearer: str) -> None:
    """What the test above would count if nobody shared."""
    mark = lab.stack.audit.mark()
    assert len(set(ask_at_once(lab, None, bearer, 2))) == 2
    assert len(lab.exchanges(mark)) == 2


def test_processes_whose_redis_hangs_all_get_their_token(lab: Lab, tap: Tap, bearer: str) -> None:
    tap.mode = "hang"
    mark = lab.stack.audit.mark()
    assert all(ask_at_once(lab, tap.url, bearer, 2))
    assert len(lab.exchanges(mark)) == 2
