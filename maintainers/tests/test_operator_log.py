"""Lines for the operator arrive in the log, although the host drops lines that belong to no invocation.

An app of the test's own, in a process of its own: a `def` function, an `async def` function, and health.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from emulators.certificates import issue_certificate
from emulators.environment import CERTIFICATE_NAME
from emulators.local.processes import HOST, AppProcess
from emulators.stack import Stack
from tests.support.leaks import LeakWatch
from tests.support.live import Live, inherited

ROOT = Path(__file__).parents[2]
APP = """
import azure.functions as func
from shared import AsyncUser, User, health, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("sync", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def sync_me(req: func.HttpRequest, user: User) -> object:
    return user.api("Graph").get("/me")


@app.route("async", methods=["GET"])
@requires_user(scopes=["access_as_user"])
async def async_me(req: func.HttpRequest, user: AsyncUser) -> object:
    return await user.api("Graph").get("/me")


@app.route("health", methods=["GET"])
async def check_health(req: func.HttpRequest) -> func.HttpResponse:
    return health()
"""
NOTED = r" \(noted \d+ s ago(, \d+ times)?\)$"


class App:
    """The running app and the lines that its host has shown."""

    def __init__(self, live: Live) -> None:
        self.live, self.stack, self.lines, self._calls = live, live.stack, list[str](), 0
        self._came = threading.Condition()

    def take(self, line: str) -> None:
        """One more line of the host."""
        with self._came:
            self.lines.append(line)
            self._came.notify()

    def call(self, route: str) -> requests.Response:
        """One call as alice, with a new token."""
        self._calls += 1
        return self.live.call(f"/api/{route}", self.stack.issue_access_token("alice"))

    def written(self, text: str) -> list[str]:
        """The lines that have this text, once the host has shown its own line of every call."""
        with self._came:
            assert self._came.wait_for(lambda: sum("Host.Requests: " in line for line in self.lines) >= self._calls, 30)
            return [line for line in self.lines if text in line]


@contextmanager
def running(folder: Path, watch: LeakWatch, text: str = APP, /, **changes: str | None) -> Iterator[App]:
    """The app with the settings of the API, changed."""
    root = folder / "app"
    root.mkdir()
    (root / "function_app.py").write_text(text, encoding="utf-8")
    (root / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
    shutil.copytree(ROOT / "shared", root / "shared", ignore=shutil.ignore_patterns("__pycache__"))

    with Stack.start(folder / "tenant") as stack:
        live = Live(stack, "", "", watch)
        app = App(live)

        def on_line(_: str, line: str) -> None:
            watch.scan(line, "log of the app")
            app.take(line)

        merged = {**inherited(), **stack.environ("api"), "PYTHONPATH": str(ROOT), **changes}
        environ = {name: value for name, value in merged.items() if value is not None}
        process = AppProcess("app", 0, environ, folder / "app.log", on_line, "auto", root, HOST).ready()
        live.api = process.url
        try:
            yield app
        finally:
            live.close()
            process.stop()


def arrives(app: App, text: str, function: str, level: str) -> None:
    """Asserts that the line came through an invocation of this function, once, with its level."""
    found = app.written(text)
    assert len(found) == 1, app.lines
    assert re.search(NOTED, found[0])
    assert function in found[0]
    assert level in found[0]


def _nothing(_: Stack) -> None:
    """The tenant as it is."""


def _vault_refuses(stack: Stack) -> None:
    stack.faults.add("vault", status=403)


def _certificate_ends(stack: Stack) -> None:
    ending = issue_certificate(CERTIFICATE_NAME, stack._now() - 80 * 86_400, 100)
    stack.vault.put_certificate(CERTIFICATE_NAME, ending)


def _keys_fail(stack: Stack) -> None:
    stack.faults.add("entra.keys", status=500)


def _entra_fails(stack: Stack) -> None:
    stack.faults.add("entra.token", status=503)


Case = tuple[Callable[[Stack], None], Mapping[str, str | None], int, str, str]
CASES: dict[str, Case] = {
    "settings wrong at start": (_nothing, {"AzureAd__TenantId": None}, 500, "setting AzureAd__TenantId", "ERROR"),
    "credential loaded": (_nothing, {}, 200, "client credential: certificate from KeyVault, valid to", "INFO"),
    "credential refused": (_vault_refuses, {}, 500, "client credential: KeyVault could not be loaded", "WARNING"),
    "certificate near its end": (_certificate_ends, {}, 200, "certificate from KeyVault ends in 19 days", "WARNING"),
    "keys not fetched": (_keys_fail, {}, 503, "signing keys: fetch failed", "WARNING"),
}


@pytest.mark.parametrize("route", ["sync", "async"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_line_arrives_with_the_request(tmp_path: Path, leak_watch: LeakWatch, case: Case, route: str) -> None:
    prepare, changes, status, text, level = case
    with running(tmp_path, leak_watch, **changes) as app:
        prepare(app.stack)
        assert app.call(route).status_code == status
        assert app.call(route).status_code in (status, 503)
        arrives(app, text, f"{route}_me", level)


@pytest.mark.parametrize("route", ["sync", "async"])
def test_an_open_circuit_arrives(tmp_path: Path, leak_watch: LeakWatch, route: str) -> None:
    with running(tmp_path, leak_watch) as app:
        assert app.call(route).status_code == 200
        _entra_fails(app.stack)
        for _ in range(6):
            assert app.call(route).status_code == 503
        assert len(app.written("Entra: 5 failures in a row")) == 1
        assert f"{route}_me" in app.written("Entra: 5 failures in a row")[0]


def test_health_delivers_the_lines_too(tmp_path: Path, leak_watch: LeakWatch) -> None:
    with running(tmp_path, leak_watch, AzureAd__TenantId=None, AzureAd__ClientId="none") as app:
        reply = app.call("health")
        assert (reply.status_code, reply.json()["settings"]) == (503, ["AzureAd__ClientId", "AzureAd__TenantId"])
        for name in ("AzureAd__ClientId", "AzureAd__TenantId"):
            arrives(app, f"setting {name}", "check_health", "ERROR")


def test_an_app_with_health_alone_writes_each_line_once(tmp_path: Path, leak_watch: LeakWatch) -> None:
    """There the settings are read within the invocation, whose lines arrive by themselves."""
    first, _, rest = APP.partition("@app.route")
    alone = first + "@app.route" + rest.rpartition("@app.route")[2]
    with running(tmp_path, leak_watch, alone, AzureAd__TenantId=None) as app:
        assert app.call("health").status_code == 503
        assert app.call("health").status_code == 503
        assert len(app.written("setting AzureAd__TenantId")) == 1, app.lines


def test_a_crowd_of_wrong_settings_is_bounded(tmp_path: Path, leak_watch: LeakWatch) -> None:
    wrong: dict[str, str | None] = {f"AzureAd__Nonsense{number}": "1" for number in range(30)}
    with running(tmp_path, leak_watch, **wrong) as app:
        assert app.call("health").status_code == 503
        assert len(app.written("setting AzureAd__Nonsense")) == 20, app.lines
        assert len(app.written("further notes were not kept")) == 1


def test_without_notes_the_host_would_have_dropped_them(tmp_path: Path, leak_watch: LeakWatch) -> None:
    """The host of this test is as strict as the real one: what is logged at import is nowhere before a request."""
    with running(tmp_path, leak_watch, AzureAd__TenantId=None) as app:
        assert app.written("setting AzureAd__TenantId") == []
