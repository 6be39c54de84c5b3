"""One emulated tenant for the whole run; every log line of the run is scanned for tokens, secrets and claim values."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from emulators.stack import Stack
from emulators.table import Table
from shared.validation import signing_keys

from .clock import RunningClock, date_client_assertions
from .lab import TABLE, Lab, finish_background_work
from .leaks import LeakWatch
from .live import Live, running

_PROXY = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")


_interrupts: list[int] = []


def pytest_configure() -> None:
    """Ctrl-C ends the run, even where the code under test turns the KeyboardInterrupt into a response.

    It also ends programs that the tests start. A shell has its background jobs ignore SIGINT, and with them all that
    they start. A test would then wait for such a program without an end.
    """
    signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    _interrupts.append(number)
    signal.default_int_handler(number, frame)


def pytest_runtest_logfinish() -> None:
    """After each test."""
    if _interrupts:
        raise KeyboardInterrupt


@pytest.fixture(scope="session")
def leak_watch() -> Iterator[LeakWatch]:
    watch = LeakWatch()
    with watch:
        yield watch
    assert watch.found() == []


@contextmanager
def _stack(folder: Path, table: Table) -> Iterator[tuple[Stack, RunningClock]]:
    clock = RunningClock()
    with Stack.start(folder, now=clock, table=table) as stack:
        stack.vault.certificate_users.clear()  # as in infra/: Key Vault Secrets User is all that the API has
        yield stack, clock


@contextmanager
def _reached(stack: Stack, clock: RunningClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    environ = stack.environ("api")
    for name in (*_PROXY, *_IDENTITY):
        monkeypatch.setenv(name, environ[name])
    for name in ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    # Half a second is short where many tests run at once; tests that are about that wait set their own.
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_WAIT_SECONDS", 30.0)
    date_client_assertions(monkeypatch, clock)
    yield Lab(stack, clock)
    finish_background_work()
    stack.faults.clear()


@pytest.fixture(scope="session")
def _tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, RunningClock]]:
    with _stack(tmp_path_factory.mktemp("tenant"), TABLE) as both:
        yield both


@pytest.fixture
def lab(_tenant: tuple[Stack, RunningClock], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The emulated tenant, reached from this process as the deployed API reaches the real one."""
    with _reached(*_tenant, monkeypatch) as lab:
        yield lab


@pytest.fixture(scope="session")
def _tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, RunningClock]]:
    with _stack(tmp_path_factory.mktemp("tenants"), replace(TABLE, sign_in_audience="AzureADMultipleOrgs")) as both:
        yield both


@pytest.fixture
def several(_tenants: tuple[Stack, RunningClock], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The same for an API of several tenants: the users of Contoso and of Fabrikam may call it."""
    stack, clock = _tenants
    with stack.directory.unchanged(), _reached(stack, clock, monkeypatch) as lab:
        yield lab


@pytest.fixture(scope="session")
def _live(tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("live"), leak_watch) as live:
        yield live


@pytest.fixture
def live(_live: Live) -> Iterator[Live]:
    """The API and the Orders API, running, with all faults off."""
    yield _live
    _live.stack.faults.clear()
