"""Exceptions that end a worker process in Azure end the app here: its requests fail, and it starts again."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulators.functions_host import FunctionsHost
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve, write_app

APP = """
    import asyncio
    import threading

    count = 0
    waiting = threading.Event()
    never = threading.Event()

    def ends(kind):
        raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[kind](3)

    @app.route("count")
    def counts(req):
        global count
        count += 1
        return str(count)

    @app.route("exits/{kind}")
    def exits(req):
        ends(req.route_params["kind"])

    @app.route("exits_async/{kind}")
    async def exits_async(req):
        ends(req.route_params["kind"])

    @app.route("task_exits/{kind}")
    async def task_exits(req):
        async def task():
            ends(req.route_params["kind"])
        await asyncio.gather(asyncio.create_task(task()))

    @app.route("hangs")
    async def hangs(req):
        waiting.set()
        await asyncio.Event().wait()

    @app.route("arrived")
    def arrived(req):
        assert waiting.wait(30)
        return "x"

    @app.route("cancelled")
    def cancelled(req):
        raise asyncio.CancelledError

    @app.route("cancelled_async")
    async def cancelled_async(req):
        raise asyncio.CancelledError

    @app.route("sleeps")
    async def sleeps(req):
        await asyncio.Event().wait()
"""


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("path", ["exits", "exits_async", "task_exits"])
def test_an_exit_fails_every_request_in_flight_and_the_app_starts_anew(
    serve: Serve, path: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = serve(APP)
    assert [call(host.url + "/api/count").body for _ in range(2)] == [b"1", b"2"]
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.ERROR):
        other = pool.submit(call, host.url + "/api/hangs")
        assert call(host.url + "/api/arrived").status == 200
        response = call(f"{host.url}/api/{path}/{kind}")
        assert (response.status, response.body, response.headers["Content-Length"]) == (500, b"", "0")
        assert (other.result().status, other.result().body) == (500, b"")
    assert call(host.url + "/api/count").body == b"1"
    assert f"{kind}(3) ended the worker" in caplog.text


def test_the_fourth_end_stops_the_host(engine: str, tmp_path: Path) -> None:
    host = FunctionsHost(write_app(tmp_path, APP), engine=engine).start()
    try:
        for _ in range(4):
            assert host.running
            assert call(host.url + "/api/exits/SystemExit").status == 500
        host._server._thread.join(30)  # type: ignore[union-attr]
        assert not host.running
    finally:
        host.stop()


@pytest.mark.parametrize("path", ["cancelled", "cancelled_async", "sleeps"])
def test_what_never_responds_is_a_500_after_function_timeout_and_the_worker_is_replaced(
    serve: Serve, path: str
) -> None:
    host = serve(APP, host_json=json.dumps({"version": "2.0", "functionTimeout": "00:00:00.2"}))
    assert call(host.url + "/api/count").body == b"1"
    response = call(f"{host.url}/api/{path}")
    assert (response.status, response.body, response.headers["Content-Length"]) == (500, b"", "0")
    assert call(host.url + "/api/count").body == b"1"
