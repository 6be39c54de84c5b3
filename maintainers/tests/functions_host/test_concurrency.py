"""Functions run at the same time: sync ones in threads, async ones on one loop. Nothing here waits for a clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve, write_app

APP = """
    import asyncio
    import threading

    together = threading.Barrier(4)
    arrived = []
    everyone = asyncio.Event()
    release = threading.Event()

    @app.route("sync")
    def sync(req):
        together.wait(timeout=30)  # breaks unless four of these run at once
        return threading.current_thread().name

    @app.route("together_async")
    async def together_async(req):
        arrived.append(req)
        if len(arrived) == 20:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), 30)
        return threading.current_thread().name

    @app.route("blocked")
    def blocked(req):
        release.wait(timeout=30)
        return "released"

    @app.route("release")
    async def releases(req):
        release.set()
        return "done"
"""


@pytest.fixture(scope="module")
def host(serve: Serve) -> FunctionsHost:
    """The app above."""
    return serve(APP)


def test_sync_functions_run_in_threads_at_the_same_time(host: FunctionsHost) -> None:
    threads = _at_once(host, "/api/sync", 4)
    assert len(set(threads)) == 4


def test_async_functions_share_one_loop_and_do_not_block_each_other(host: FunctionsHost) -> None:
    threads = _at_once(host, "/api/together_async", 20)
    assert len(set(threads)) == 1


def test_a_sync_function_that_blocks_does_not_block_an_async_one(host: FunctionsHost) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, host.url + "/api/blocked")
        assert call(host.url + "/api/release").body == b"done"
        assert waiting.result().body == b"released"


@pytest.mark.parametrize(
    ("setting", "threads"),
    [
        ("1", 1),
        ("64", 64),
        (" 7 ", 7),
        ("1_000", 1000),
        (None, None),
        ("", None),
        ("0", None),
        ("-3", None),
        ("many", None),
        ("2.5", None),
    ],
)
def test_the_threads_for_def_are_what_the_worker_makes_of_the_setting(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None, threads: int | None
) -> None:
    monkeypatch.delenv("PYTHON_THREADPOOL_THREAD_COUNT", raising=False)
    if setting is not None:
        monkeypatch.setenv("PYTHON_THREADPOOL_THREAD_COUNT", setting)
    after_a_placeholder = ThreadPoolExecutor()._max_workers
    with FunctionsHost(write_app(tmp_path, APP), engine=engine) as host:
        pool: Any = vars(host._worker.engine).get("_pool") or host._worker.engine._library.get_threadpool_executor()  # type: ignore[attr-defined]
        assert pool._max_workers == (threads or after_a_placeholder)


def _at_once(host: FunctionsHost, path: str, count: int) -> list[bytes]:
    with ThreadPoolExecutor(count) as pool:
        responses = list(pool.map(call, [host.url + path] * count))
    assert [response.status for response in responses] == [200] * count
    return [response.body for response in responses]
