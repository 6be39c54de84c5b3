"""The log line of a request, from the host's trace to Entra's number, and what it must not contain."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import re
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import azure.functions as func
import pytest

from emulators.people import PEOPLE
from shared import AsyncUser, User
from shared.net.transport import Response, Transport
from shared.requires_user import RequiresUser
from shared.services import LazyServices, Services
from shared.settings.settings import Settings
from shared.telemetry.operator_notes import notes
from tests.support.lab import Lab, finish_background_work

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def call(lab: Lab, token: str, headers: dict[str, str] | None = None, context: object = None, **environ: str) -> Any:
    """The reply of a function that reads the profile, called as the host calls it."""
    provider = LazyServices(lab.environ(**environ), now=lab.clock, sleep=lab.clock.forward)

    @RequiresUser(provider)()
    def me(req: func.HttpRequest, user: User) -> object:
        user.api("Graph").get("/me")
        return user.api("Graph").get("/me")

    own = {"Authorization": f"Bearer {token}", **(headers or {})}
    return me(req=func.HttpRequest("GET", "http://localhost/api/me", headers=own, body=b""), context=context)


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    [line] = [text for record in caplog.records if (text := record.getMessage()).startswith("request ")]
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_one_line_says_who_what_and_how_long(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert call(lab, lab.stack.issue_access_token("alice")).status_code == 200
    line = fields(caplog)
    assert (line["function"], line["method"], line["status"]) == ("me", "GET", "200")
    assert re.fullmatch(r"Graph:miss:\d+ms,Graph:hit", line["tokens"])
    assert re.fullmatch(r"Graph:200:\d+ms,Graph:200:\d+ms", line["calls"])


def test_a_refusal_has_entras_number_and_the_ids_that_support_asks_for(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    reply = call(lab, lab.stack.issue_access_token("maya"))
    line, body = fields(caplog), json.loads(reply.get_body())
    assert (line["status"], line["code"]) == ("401", "insufficient_claims")
    assert "AADSTS50076" in line["reason"]
    assert re.search(r"trace_id [0-9a-f-]{36}", line["reason"])
    assert line["correlation_id"] == body["correlation_id"]
    assert f"correlation_id {body['correlation_id']}" in line["reason"]


@pytest.mark.parametrize("by", ["host", "header"])
def test_one_id_leads_through_host_log_reply_entra_and_downstream(
    lab: Lab, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    """The host's trace is used. It continues the caller's."""
    other, token = PARENT.replace("4bf", "5bf"), lab.stack.issue_access_token("maya")
    if by == "host":
        context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=PARENT))
        reply = call(lab, token, {"traceparent": other}, context)
    else:
        reply = call(lab, token, {"traceparent": PARENT})
    line = fields(caplog)
    assert line["correlation_id"] == json.loads(reply.get_body())["correlation_id"] == GUID
    assert f"correlation_id {GUID}" in line["reason"]  # as Entra echoes it


class Overheard(Transport):
    """The real one; remembers each header `traceparent` that went out."""

    seen: ClassVar[list[str]] = []

    def send(self, *args: Any, **options: Any) -> Response:
        self.seen.append((options.get("headers") or {}).get("traceparent", ""))
        return super().send(*args, **options)


def test_the_trace_goes_on_to_the_downstream_api_and_nowhere_else(lab: Lab) -> None:
    Overheard.seen.clear()
    services = Services(Settings.from_environ(lab.environ()), now=lab.clock, transport=Overheard)
    user = lab.user(services, lab.stack.issue_access_token("alice"))
    user.api("Graph").get("/me")
    user.api("Graph").get("/me")
    sent = [value.split("-") for value in Overheard.seen if value]
    assert [trace_id for _, trace_id, _, _ in sent] == [user.correlation_id.replace("-", "")] * 2
    assert len({span for _, _, span, _ in sent}) == 2
    assert len(Overheard.seen) > len(sent)  # Entra was called too, and got no header


def test_a_user_has_the_same_pseudonym_every_time_and_it_is_not_the_oid(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    names = []
    for person in ("alice", "alice", "olga"):
        call(lab, lab.stack.issue_access_token(person))
        names.append(fields(caplog)["user"])
        assert PEOPLE[person].oid not in caplog.text
        caplog.clear()
    assert re.fullmatch(r"[0-9a-f]{16}", names[0])
    assert names[0] == names[1] != names[2]


def test_an_unknown_caller_has_no_name(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    call(lab, "abc")
    line = fields(caplog)
    assert (line["user"], line["code"]) == ("-", "invalid_token")


def test_an_async_function_has_its_line_too(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    @RequiresUser(LazyServices(lab.environ(), now=lab.clock))()
    async def mine(req: func.HttpRequest, user: AsyncUser) -> object:
        return (await user.api("Graph").get("/me")).status_code

    headers = {"Authorization": f"Bearer {lab.stack.issue_access_token('alice')}", "traceparent": PARENT}
    asyncio.run(mine(req=func.HttpRequest("GET", "http://localhost/api/x", headers=headers, body=b"")))
    line = fields(caplog)
    assert (line["function"], line["correlation_id"]) == ("mine", GUID)
    assert re.fullmatch(r"Graph:miss:\d+ms", line["tokens"])


def test_retries_show_as_calls_of_their_own(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.stack.faults.add("graph", status=503, times=1)
    call(lab, lab.stack.issue_access_token("alice"))
    assert re.fullmatch(r"Graph:503:\d+ms,Graph:200:\d+ms,Graph:200:\d+ms", fields(caplog)["calls"])


def test_an_author_may_take_the_context_as_well(lab: Lab) -> None:
    @RequiresUser(LazyServices(lab.environ(), now=lab.clock))()
    def mine(req: func.HttpRequest, user: User, context: func.Context) -> str:
        return str(context.invocation_id)

    headers = {"Authorization": f"Bearer {lab.stack.issue_access_token('alice')}"}
    request = func.HttpRequest("GET", "http://localhost/api/x", headers=headers, body=b"")
    context = SimpleNamespace(invocation_id="42", trace_context=None)
    assert mine(req=request, context=context).get_body() == b"42"


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_a_renewal_that_failed_in_the_background_is_told_by_the_next_request(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    monkeypatch.setattr(notes, "_written_at", OrderedDict())
    provider = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)
    function = RequiresUser(provider)()(_async_me if is_async else _me)
    token = lab.stack.issue_access_token("alice", lifetime=36_000)

    def ask() -> list[str]:
        headers = {"Authorization": f"Bearer {token}"}
        request = func.HttpRequest("GET", "http://localhost/api/me", headers=headers, body=b"")
        caplog.clear()
        reply = contextvars.Context().run(lambda: function(req=request))
        assert (asyncio.run(reply) if is_async else reply).status_code == 200
        return [text for text in caplog.messages if "could not be renewed yet" in text and "(noted" in text]

    assert ask() == []
    lab.clock.forward(lab.stack.entra.lifetime - 120)  # in its last minutes, so that it is renewed in the background
    lab.stack.faults.add("entra.token", status=503)
    told = ask()
    finish_background_work()
    told += ask()
    assert len(told) == 1


def _me(req: func.HttpRequest, user: User) -> object:
    return user.api("Graph").get("/me")


async def _async_me(req: func.HttpRequest, user: AsyncUser) -> object:
    return await user.api("Graph").get("/me")


def test_a_call_that_waited_for_a_free_thread_says_so(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """Two calls, one thread: the second waits for as long as the first takes."""
    provider = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)
    provider.get().apis.threads = ThreadPoolExecutor(1)

    async def me(req: func.HttpRequest, user: AsyncUser) -> None:
        await asyncio.gather(*(user.api("Graph").get("/me") for _ in range(2)))

    headers = {"Authorization": f"Bearer {lab.stack.issue_access_token('alice')}"}
    request = func.HttpRequest("GET", "http://localhost/api/me", headers=headers, body=b"")
    assert asyncio.run(RequiresUser(provider)()(me)(req=request)).status_code == 204
    assert int(fields(caplog)["queued"].removesuffix("ms")) > 0


def test_a_call_that_gets_no_thread_before_the_deadline_is_a_time_out(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    busy = threading.Event()
    provider = LazyServices(lab.environ(AzureAd__RequestTimeoutSeconds="1"), now=lab.clock, sleep=lab.clock.forward)
    provider.get().apis.threads = ThreadPoolExecutor(1)
    provider.get().apis.threads.submit(busy.wait, 30)
    try:
        headers = {"Authorization": f"Bearer {lab.stack.issue_access_token('alice')}"}
        request = func.HttpRequest("GET", "http://localhost/api/me", headers=headers, body=b"")
        reply = asyncio.run(RequiresUser(provider)()(_async_me)(req=request))
    finally:
        busy.set()
    assert (reply.status_code, json.loads(reply.get_body())["code"]) == (504, "downstream_timeout")
    assert fields(caplog)["reason"] == '"no thread was free in time"'


def test_as_many_async_calls_may_wait_as_def_functions_may(lab: Lab) -> None:
    for asked, given in (("", 100), ("5", 100), ("200", 200), ("100000", 1_000), ("many", 100)):
        settings = Settings.from_environ(lab.environ(PYTHON_THREADPOOL_THREAD_COUNT=asked))
        assert settings.waiting_threads == given
        assert lab.services(PYTHON_THREADPOOL_THREAD_COUNT=asked).apis.threads._max_workers == given
