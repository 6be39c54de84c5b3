"""A person at the client, with the running apps (`at_live`) or a small app in this process (`at_lab`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from client.api import Api
from emulators.applications import API
from emulators.directory import EVERYBODY
from emulators.stack import Stack
from maintainers.tests.orders import APPLICATIONS, ORDERS
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab
from tests.support.live import Live

from .people import BROWSER, Someone
from .trail import Trail

TRANSPORT = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture
def client_transport(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leads this process's HTTPS to the running tenant, as `dev.py client` does it."""
    for name in TRANSPORT:
        monkeypatch.setenv(name, live.stack.environ("client")[name])


@pytest.fixture
def at_live(live: Live, client_transport: None) -> Callable[[str], Someone]:
    """A person at the client of the running apps."""
    return lambda person: Someone(live.stack, person)


@pytest.fixture
def api(live: Live) -> Api:
    """The running API, as the client calls it."""
    return Api(live.api)


@pytest.fixture
def trail(live: Live) -> Trail:
    """What the emulators behind the running apps see from now on."""
    return Trail(live.stack.audit)


@pytest.fixture
def at_lab(lab: Lab) -> Callable[[str], Someone]:
    """A person at the client, in the tenant of the apps in this process."""
    return lambda person: Someone(lab.stack, person)


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    """The decorator of an API in this process, with nothing cached."""
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock))


@pytest.fixture
def lab_trail(lab: Lab) -> Trail:
    """What the emulators behind the apps in this process see from now on."""
    return Trail(lab.stack.audit)


@pytest.fixture
def consents(live: Live) -> Iterator[Stack]:
    """The running tenant, in which Orders pre-authorizes nobody; every consent is as before afterwards."""
    directory = live.stack.directory
    directory.pre_authorize(ORDERS, API, ())
    yield live.stack
    for person in ("connor", EVERYBODY):
        directory.withdraw_consent(person)
    for client, scopes in ORDERS.pre_authorizes.items():
        directory.pre_authorize(ORDERS, APPLICATIONS[client], scopes)


@pytest.fixture(autouse=True)
def every_page_was_answered() -> Iterator[None]:
    """A page that could not be submitted fails the test, even if the client went on."""
    BROWSER.failures.clear()
    yield
    assert BROWSER.failures == []
