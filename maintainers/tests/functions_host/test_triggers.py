"""A timer and a queue function call an API as the application: the code of docs/extend.md, on every engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.people import CONTOSO, PEOPLE, people_of
from emulators.stack import Stack
from emulators.table import Table

from .conftest import write_app
from .programs import PROJECT, environment

AT = "DownstreamApis__Directory__"
TIMER = ("count_users", "timer", "json", json.dumps({"IsPastDue": False}))
QUEUE = ("look_up", "message", "string", PEOPLE["alice"].oid)
IMPORTS = "from shared import app_api, async_app_api"


def section(title: str) -> str:
    page = (PROJECT / "docs" / "extend.md").read_text(encoding="utf-8")
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def code() -> str:
    return section("An API called as the application").partition("```python\n")[2].partition("```")[0]


def settings() -> dict[str, str]:
    """Those that the page shows."""
    lines = section("An API called as the application").partition("```text\n")[2].partition("```")[0]
    return dict(line.split("=", 1) for line in lines.splitlines())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.start(tmp_path_factory.mktemp("tenant"), table=Table(graph_app_roles=("User.Read.All",))) as stack:
        yield stack


class Runner:
    """Runs a function of the page's app in a process of its own."""

    def __init__(self, stack: Stack, engine: str, folder: Path) -> None:
        self._stack, self._engine, self._folder = stack, engine, folder
        write_app(folder, f"{IMPORTS}\n{code()}")

    def run(self, *what: str, **changes: str | None) -> tuple[list[str], str]:
        """What the host is told of a failure, if anything, and the log."""
        environ: dict[str, Any] = {**self._stack.environ("api"), **settings(), **changes}
        done = subprocess.run(
            [sys.executable, "-m", "maintainers.tests.functions_host.trigger", self._engine, str(self._folder), *what],
            cwd=PROJECT,
            env=environment(**{name: value for name, value in environ.items() if value is not None}),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        failure: list[str] = json.loads(done.stdout)
        return failure, done.stderr


@pytest.fixture
def runner(stack: Stack, engine: str, tmp_path: Path) -> Iterator[Runner]:
    with stack.directory.unchanged():
        yield Runner(stack, engine, tmp_path)
    stack.faults.clear()


@pytest.mark.parametrize(("what", "logged"), [(TIMER, f"{len(people_of(CONTOSO))} users"), (QUEUE, "mail is set")])
def test_a_function_without_a_user_calls_as_the_application(
    runner: Runner, stack: Stack, what: tuple[str, ...], logged: str
) -> None:
    mark = stack.audit.mark()
    failure, log = runner.run(*what)
    assert (failure, logged in log) == ([], True)
    calls = [(one.service, one.action, one.status) for one in stack.audit.entries(mark) if one.action != "tunnel"]
    assert [call for call in calls if call[0] == "entra" and call[1] not in ("discovery", "keys", "instance")] == [
        ("entra", "client_credentials", 200)
    ]
    assert [call[2] for call in calls if call[0] == "graph"] == [200]
    assert "request function=app_api method=GET status=200" in log


@pytest.mark.parametrize("what", [TIMER, QUEUE])
def test_a_failure_is_an_exception_with_words(runner: Runner, stack: Stack, what: tuple[str, ...]) -> None:
    stack.directory.withdraw_app_roles(*(stack.directory.applications[key] for key in ("api", "graph")))
    (failure,), log = runner.run(*what)
    assert failure == "AccessDenied('access_denied: Directory: HTTP 403 Authorization_RequestDenied')"
    assert "request function=app_api method=GET status=403" in log


@pytest.mark.parametrize("what", [TIMER, QUEUE])
def test_wrong_settings_are_named_though_no_function_is_guarded(
    runner: Runner, stack: Stack, what: tuple[str, ...]
) -> None:
    mark = stack.audit.mark()
    (failure,), log = runner.run(*what, **{"AzureAd__TenantId": None, f"{AT}RequestAppToken": None})
    assert failure.startswith("SettingsError('server_misconfigured: ")
    assert "AzureAd__TenantId: is missing" in failure
    assert "setting AzureAd__TenantId is missing" in log.partition("Traceback")[0]  # when the app started
    assert [one for one in stack.audit.entries(mark) if one.service != "gateway"] == []


def test_an_api_for_users_is_reported_at_start(runner: Runner) -> None:
    (failure,), log = runner.run(*TIMER, **{f"{AT}RequestAppToken": "false"})
    words = f"{AT}RequestAppToken"
    assert f"{words}: must be true: app_api calls an API as the application, and this one is for users" in failure
    assert f"setting {words} must be true" in log
