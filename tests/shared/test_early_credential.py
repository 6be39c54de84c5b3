"""The client credential is loaded beside the first request: once, and a failure of it is no secret and no dead end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import azure.functions as func
import pytest

from shared.errors import ServiceUnavailable
from shared.exchange.client_credential import SecretCredential
from shared.exchange.credential_loader import FRESH_SECONDS, KEPT_SECONDS, CredentialLoader
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.settings.credentials import CredentialSettings
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once, finish_background_work

SOURCES: tuple[CredentialSettings, ...] = ()
LOADED = SecretCredential.__new__(SecretCredential)


class Vault:
    """Counts how often it is asked; answers when it is `open`, and as it is told."""

    def __init__(self) -> None:
        self.asked, self.down, self.open = 0, False, threading.Event()
        self.open.set()

    def load(self, sources: object, now: Callable[[], float]) -> SecretCredential:
        self.asked += 1
        self.open.wait(30)
        if self.down:
            raise ServiceUnavailable(retry_after=10, reason="the vault is down")
        return LOADED


@pytest.fixture
def parts() -> tuple[CredentialLoader, Vault, Clock]:
    vault, clock = Vault(), Clock()
    return CredentialLoader(vault.load, clock), vault, clock


def test_what_was_loaded_early_is_taken_once(parts: tuple[CredentialLoader, Vault, Clock]) -> None:
    loader, vault, _ = parts
    loader.prefetch(SOURCES)
    finish_background_work()
    assert loader.get(SOURCES) is LOADED
    assert vault.asked == 1
    loader.get(SOURCES)
    assert vault.asked == 2


def test_who_comes_while_it_is_loading_waits_for_that(parts: tuple[CredentialLoader, Vault, Clock]) -> None:
    loader, vault, _ = parts
    vault.open.clear()
    loader.prefetch(SOURCES)
    threading.Timer(0.05, vault.open.set).start()
    assert loader.get(SOURCES) is LOADED
    assert vault.asked == 1


def test_it_is_not_older_than_it_seems(parts: tuple[CredentialLoader, Vault, Clock]) -> None:
    """Its four hours begin with the first exchange, which may come long after the first request."""
    loader, vault, clock = parts
    loader.prefetch(SOURCES)
    finish_background_work()
    clock.forward(KEPT_SECONDS)
    loader.get(SOURCES)
    assert vault.asked == 2


@pytest.mark.parametrize(("later", "asked"), [(0.0, 1), (FRESH_SECONDS, 2)])
def test_a_failure_is_the_answer_to_who_comes_at_once_and_to_nobody_else(
    parts: tuple[CredentialLoader, Vault, Clock], later: float, asked: int
) -> None:
    loader, vault, clock = parts
    vault.down = True
    loader.prefetch(SOURCES)
    finish_background_work()
    clock.forward(later)
    with pytest.raises(ServiceUnavailable):
        loader.get(SOURCES)
    assert vault.asked == asked
    vault.down = False
    assert loader.get(SOURCES) is LOADED


def test_the_first_request_begins_to_load_it_and_no_other_does(lab: Lab) -> None:
    """Sent before anybody knows whether they may come in, so strangers must not be able to make it two."""
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
    assert lab.stack.audit.entries(mark) == []
