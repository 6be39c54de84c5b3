"""The health function replies while every thread for `def` functions waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from emulators.audit import Entry
from emulators.stack import Stack
from tests.support.leaks import LeakWatch
from tests.support.live import Live, start_app


def test_health_does_not_queue_behind_functions_that_wait(tmp_path: Path, leak_watch: LeakWatch) -> None:
    """One thread, in which a call waits for Entra's keys until its own time is over."""
    with ExitStack() as exits:
        stack = exits.enter_context(Stack.start(tmp_path / "tenant"))
        process = start_app(
            "api", {**stack.environ("api"), "PYTHON_THREADPOOL_THREAD_COUNT": "1"}, tmp_path, leak_watch
        )
        exits.callback(process.stop)
        live = Live(stack, process.url, process.url, leak_watch)
        exits.callback(live.close)
        stack.faults.add("entra.keys", network="hang")
        waits, pool = threading.Event(), exits.enter_context(ThreadPoolExecutor(1))
        exits.callback(stack.audit.subscribe(lambda entry: waits.set() if asks_entra(entry) else None))

        waiting = pool.submit(live.call, "/api/orders", stack.issue_access_token("alice"))
        assert waits.wait(30)
        reply = live.call("/api/health")

        assert (reply.status_code, reply.json()) == (200, {"status": "healthy"})
        assert wait([waiting], timeout=1).not_done  # had health queued, this would have ended just before it
        assert waiting.result().status_code == 503


def asks_entra(entry: Entry) -> bool:
    """The discovery document comes right before the keys."""
    return "openid-configuration" in entry.path
