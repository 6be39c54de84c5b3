"""The log lines that arrive: those that the real host would keep, from every thread and task."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from emulators.functions_host import FunctionsHost
from emulators.functions_host.logs import HostLog
from maintainers.tests.functions_host.calls import call
from maintainers.tests.functions_host.conftest import Serve

HOST_LINE = re.compile(r"[A-Z]+ Host\.")

APP = """
    import asyncio
    import contextvars
    import sys
    import threading
    from concurrent.futures import ThreadPoolExecutor

    log = logging.getLogger("mine")
    log.critical("at import")
    own_pool = ThreadPoolExecutor(2)
    after = threading.Event()
    left_behind = []

    def say(text):
        log.critical(text)

    def in_a_thread(call, *arguments):
        thread = threading.Thread(target=call, args=arguments)
        thread.start()
        thread.join()

    @app.route("plain")
    def plain(req):
        log.info("def", extra={"gone": "extra"})
        logging.getLogger("some.library").info("of a library")
        log.debug("too low")
        return "x"

    @app.route("plain_async")
    async def plain_async(req):
        log.info("async def")
        await asyncio.sleep(0)
        log.info("after an await")
        return "x"

    @app.route("levels")
    def levels(req):
        for level in (20, 25, 30, 40, 50):
            log.log(level, "level %s", level)
        return "x"

    @app.route("whole")
    def whole(req):
        log.warning("one\\ntwo\\rERROR Host.Requests: three")
        try:
            raise ValueError("the reason")
        except ValueError:
            log.exception("failed")
        return "x"

    @app.route("system")
    def system(req):
        for name in ("azure.functions", "azure_functions_runtime", "proxy_worker", "azure_functions_worker"):
            logging.getLogger(name).warning(name)
        return "x"

    @app.route("own_threads")
    def own_threads(req):
        in_a_thread(say, "a thread of def")
        own_pool.submit(say, "a pool of def").result()
        return "x"

    @app.route("own_threads_async")
    async def own_threads_async(req):
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(say, "to_thread")
        await loop.run_in_executor(own_pool, say, "a pool of async def")
        await loop.run_in_executor(own_pool, contextvars.copy_context().run, say, "a copied context of async def")
        return "x"

    @app.route("copied")
    def copied(req):
        own_pool.submit(contextvars.copy_context().run, say, "a copied context of def").result()
        return "x"

    @app.route("stamped")
    def stamped(req, context):
        def in_thread():
            context.thread_local_storage.invocation_id = context.invocation_id
            say("stamped")
            context.thread_local_storage.invocation_id = None
        in_a_thread(in_thread)
        return "x"

    @app.route("tasks")
    async def tasks(req):
        async def child():
            log.info("a child task")
        await asyncio.create_task(child())
        said = asyncio.Event()
        def callback():
            log.info("a callback")
            said.set()
        asyncio.get_running_loop().call_soon(callback)
        await said.wait()
        return "x"

    @app.route("leave")
    async def leave(req):
        released = asyncio.Event()
        async def late():
            await released.wait()
            say("a task after the response")
        left_behind.extend([released, asyncio.create_task(late())])
        return "x"

    @app.route("finish")
    async def finish(req):
        released, task = left_behind
        released.set()
        await task
        return "x"

    @app.route("printed")
    def printed(req):
        print("printed")
        print("to stderr", file=sys.stderr)
        return "x"

    @app.route("boom")
    def boom(req):
        raise ZeroDivisionError("the reason")
"""


@pytest.fixture(scope="module")
def lines() -> Iterator[io.StringIO]:
    """What arrives, from before the app is imported; the root logger is as open as the worker's."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = HostLog(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def host(lines: io.StringIO, serve: Serve) -> FunctionsHost:
    """The app above."""
    host = serve(APP)
    assert "at import" not in lines.getvalue()
    return host


def arrived(host: FunctionsHost, lines: io.StringIO, *paths: str) -> list[str]:
    """The app's lines of some calls; the host's own are left out."""
    before = len(lines.getvalue())
    for path in paths:
        assert call(f"{host.url}/api/{path}").status in (200, 500)
    return [line for line in lines.getvalue()[before:].splitlines() if not HOST_LINE.match(line)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("plain", ["INFO Function.plain.User: def", "INFO Function.plain.User: of a library"]),
        (
            "plain_async",
            ["INFO Function.plain_async.User: async def", "INFO Function.plain_async.User: after an await"],
        ),
        ("tasks", ["INFO Function.tasks.User: a child task", "INFO Function.tasks.User: a callback"]),
        ("own_threads", []),
        ("own_threads_async", []),
    ],
)
def test_a_line_arrives_when_the_worker_knows_its_invocation(
    host: FunctionsHost, lines: io.StringIO, path: str, expected: list[str]
) -> None:
    assert arrived(host, lines, path) == expected


def test_a_task_that_outlives_its_invocation_is_not_heard(host: FunctionsHost, lines: io.StringIO) -> None:
    assert arrived(host, lines, "leave", "finish") == []


def test_the_workers_own_lines_go_to_microsoft_alone(host: FunctionsHost, lines: io.StringIO) -> None:
    """Each worker has names of its own; those of the other are loggers like any."""
    newer = ["azure.functions", "azure_functions_runtime", "proxy_worker"]
    others = ["azure_functions_worker"] if sys.version_info >= (3, 13) else newer
    assert arrived(host, lines, "system") == [f"WARNING Function.system.User: {name}" for name in others]


def test_levels_are_the_hosts_own(host: FunctionsHost, lines: io.StringIO) -> None:
    levels = [line.partition(" ")[0] for line in arrived(host, lines, "levels")]
    assert levels == ["INFO", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_text_of_several_lines_and_tracebacks_arrive_whole_and_cannot_pass_for_other_records(
    host: FunctionsHost, lines: io.StringIO
) -> None:
    found = arrived(host, lines, "whole")
    assert found[:5] == [
        "WARNING Function.whole.User: one",
        "    two",
        "    ERROR Host.Requests: three",
        "ERROR Function.whole.User: failed",
        "    Traceback (most recent call last):",
    ]
    assert found[-1] == "    ValueError: the reason"


def test_the_id_an_app_gives_to_its_thread_counts_for_the_older_worker_alone(
    host: FunctionsHost, lines: io.StringIO
) -> None:
    expected = {"sdk": ["CRITICAL Function.stamped.User: stamped"], "worker": []}
    assert arrived(host, lines, "stamped") == expected[host.engine]


def test_a_copied_context_counts_for_the_newer_worker_alone(host: FunctionsHost, lines: io.StringIO) -> None:
    expected = {"sdk": [], "worker": ["CRITICAL Function.copied.User: a copied context of def"]}
    assert arrived(host, lines, "copied") == expected[host.engine]


def test_what_is_printed_is_no_record_and_always_arrives(
    host: FunctionsHost, lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    assert arrived(host, lines, "printed") == []
    assert capsys.readouterr() == ("printed\n", "to stderr\n")


def test_a_failure_is_the_hosts_own_line(host: FunctionsHost, lines: io.StringIO) -> None:
    found = arrived(host, lines, "boom")
    assert found[0].startswith("ERROR Function.boom: Executed 'boom' (Failed, Id=")
    assert found[-1] == "    ZeroDivisionError: the reason"
