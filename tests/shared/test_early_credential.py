"""The client credential is loaded once, in the background of the first request. A failure is logged and tried again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import azure.functions as func
import pytest

from shared.errors import ServiceUnavailable
from shared.exchange.credential import RELOAD_AFTER_SECONDS, ConfidentialClients
from shared.exchange.credential_loads import FAILED_COOLDOWN_SECONDS, CredentialLoads
from shared.exchange.credential_sources import SecretCredential
from shared.exchange.msal_client import MsalHttpClient
from shared.net.deadline import within
from shared.net.transport import Response, Transport
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.settings.credentials import CredentialSettings
from shared.settings.environ import Secret
from shared.settings.settings import Settings
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once, finish_background_work

from .test_settings import GOOD

LOADED = SecretCredential(CredentialSettings("ClientSecret", client_secret=Secret("s3cr3t")))
LOGIN = "https://login.microsoftonline.com"
DISCOVERY = Response(
    200, {}, json.dumps({"authorization_endpoint": f"{LOGIN}/a", "token_endpoint": f"{LOGIN}/t"}).encode()
)


class Vault:
    """Counts its calls. Returns or raises what the test says, when it is `open`."""

    def __init__(self) -> None:
        self.asked, self.down, self.open = 0, False, threading.Event()
        self.open.set()

    def load(self, sources: object, now: Callable[[], float]) -> SecretCredential:
        self.asked += 1
        self.open.wait(30)
        if self.down:
            raise ServiceUnavailable(retry_after=10, reason="the vault is down")
        return LOADED


Parts = tuple[ConfidentialClients, CredentialLoads, Vault, Clock]


@pytest.fixture
def parts() -> Parts:
    vault, clock, settings = Vault(), Clock(), Settings.from_environ(GOOD)
    http = MsalHttpClient(settings.authority, Transport(), clock, lambda _: DISCOVERY)
    loads = CredentialLoads(settings.client.credentials, clock, vault.load)
    return ConfidentialClients(settings.authority, settings.client, http, clock, loads), loads, vault, clock


def test_what_was_loaded_early_is_used_once(parts: Parts) -> None:
    clients, loads, vault, _ = parts
    loads.load_early()
    finish_background_work()
    client = clients.get()
    assert vault.asked == 1
    assert clients.newest(client) is not client
    assert vault.asked == 2


def test_a_clock_that_is_set_back_stops_no_reload(parts: Parts) -> None:
    clients, _, vault, clock = parts
    client = clients.newest(clients.get())
    assert clients.newest(client) is client  # within the pause
    clock.forward(-3600)
    assert clients.newest(client) is not client
    assert vault.asked == 3


def test_a_request_that_comes_while_it_is_loading_waits_for_that(parts: Parts) -> None:
    clients, loads, vault, _ = parts
    vault.open.clear()
    loads.load_early()
    threading.Timer(0.05, vault.open.set).start()
    assert clients.get() is clients.get()
    assert vault.asked == 1


@pytest.mark.parametrize(("later", "asked"), [(RELOAD_AFTER_SECONDS - 1, 1), (RELOAD_AFTER_SECONDS, 2)])
def test_its_age_counts_from_when_it_was_loaded(parts: Parts, later: float, asked: int) -> None:
    """The first exchange may come long after the first request."""
    clients, loads, vault, clock = parts
    loads.load_early()
    finish_background_work()
    clock.forward(later)
    clients.get()
    clients.get()
    finish_background_work()
    assert vault.asked == asked


def test_an_old_one_serves_the_first_exchange_and_is_loaded_again_meanwhile(parts: Parts) -> None:
    """It was loaded with the app, and nobody called for a day."""
    clients, loads, vault, clock = parts
    loads.load_early()
    finish_background_work()
    clock.forward(24 * 3600)
    assert clients.get().loaded_at < clock()
    finish_background_work()
    assert (clients.get().loaded_at, vault.asked) == (clock(), 2)


def test_it_is_not_loaded_early_twice(parts: Parts) -> None:
    _, loads, vault, _ = parts
    for _ in range(2):
        loads.load_early()
        finish_background_work()
    assert vault.asked == 1


def test_a_failure_is_forgotten_when_it_is_loaded_early_again(parts: Parts) -> None:
    clients, loads, vault, _ = parts
    for down in (True, False):
        vault.down = down
        loads.load_early()
        finish_background_work()
    client = clients.get()
    assert clients.newest(client) is not client  # which loads at once
    assert vault.asked == 3


@pytest.mark.parametrize(("later", "asked"), [(0.0, 1), (FAILED_COOLDOWN_SECONDS, 2)])
def test_a_failure_counts_for_two_seconds(parts: Parts, later: float, asked: int) -> None:
    clients, loads, vault, clock = parts
    vault.down = True
    loads.load_early()
    finish_background_work()
    clock.forward(later)
    with pytest.raises(ServiceUnavailable):
        clients.get()
    assert vault.asked == asked
    vault.down = False
    assert clients.get() is clients.get()


def test_a_request_that_is_out_of_time_gets_503_and_the_load_goes_on(parts: Parts) -> None:
    clients, _, vault, clock = parts
    vault.open.clear()
    with within(0.01, clock), pytest.raises(ServiceUnavailable, match="waited too long") as raised:
        clients.get()
    assert raised.value.retry_after == 5
    vault.open.set()
    finish_background_work()
    assert clients.get() is not None
    assert vault.asked == 1


def test_the_first_request_begins_to_load_it_and_no_other_does(lab: Lab) -> None:
    """It is sent before any token is validated, so unknown callers must not be able to cause a second one."""
    mark, names = lab.stack.audit.mark(), ("me", "orders", "third")
    provider = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)

    @RequiresUser(provider)()
    def me(req: func.HttpRequest) -> str:
        return "hello"

    assert lab.stack.audit.entries(mark) == []

    def call(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        reply: func.HttpResponse = me(req=func.HttpRequest("GET", "https://localhost/", headers=headers, body=b""))
        return int(reply.status_code)

    assert at_once(8, lambda number: call(f"x.y.{number}")) == [401] * 8
    assert [call(name) for name in names] == [401] * 3
    assert call(lab.stack.issue_access_token("alice")) == 200
    finish_background_work()
    assert [entry.status for entry in lab.seen(mark, "secret")].count(200) == 1


def test_an_api_that_calls_no_other_loads_none(lab: Lab) -> None:
    gone = {name: None for name in lab.environ() if name.startswith("DownstreamApis__")}
    provider, mark = LazyServices(lab.environ(**gone), now=lab.clock), lab.stack.audit.mark()
    provider.get()
    finish_background_work()
    assert lab.seen(mark, "secret") == lab.exchanges(mark) == []


def test_the_signing_keys_are_fetched_before_a_token_needs_one_and_then_not_again(lab: Lab) -> None:
    """The first call of a guarded function starts the fetch, and imports libraries meanwhile."""
    provider, mark = LazyServices(lab.environ(), now=lab.clock), lab.stack.audit.mark()
    services = provider.get()
    finish_background_work()
    (fetched,) = (entry for entry in lab.stack.audit.entries(mark) if entry.path.endswith("/keys"))
    assert fetched.status == 200
    services.sessions.open(lab.stack.issue_access_token("alice"))
    assert len([entry for entry in lab.stack.audit.entries(mark) if entry.path.endswith("/keys")]) == 1
