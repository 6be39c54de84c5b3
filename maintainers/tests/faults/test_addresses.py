"""Addresses in the settings that do not exist. There is no proxy, so these failures come from the machine itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.lab import Lab

from .api import Api
from .short_timeouts import ShortTimeouts

NOWHERE = "nowhere.invalid"  # RFC 6761 §6.4: never resolves
VAULT_URL = "AzureAd__ClientCredentials__0__KeyVaultUrl"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The kernel accepts; nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture(autouse=True)
def _no_proxy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, f"localhost,127.0.0.1,{NOWHERE}")


SETTINGS = [
    ("AzureAd__Instance", "https://{}/", 503),
    ("IDENTITY_ENDPOINT", "http://{}/msi/token", 503),
    (VAULT_URL, "https://{}/", 503),
    ("DownstreamApis__Graph__BaseUrl", "https://{}/v1.0", 502),
]


@pytest.mark.parametrize(("name", "address", "status"), SETTINGS)
@pytest.mark.parametrize("unreachable", ["closed port", "no such name"])
def test_nobody_there(
    unreachable: str,
    name: str,
    address: str,
    status: int,
    lab: Lab,
    timeouts: ShortTimeouts,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = f"127.0.0.1:{closed_port}" if unreachable == "closed port" else NOWHERE
    monkeypatch.setenv("IDENTITY_ENDPOINT", lab.environ()["IDENTITY_ENDPOINT"])
    if name == "IDENTITY_ENDPOINT":
        monkeypatch.setenv(name, address.format(host))
    reply = Api(lab, timeouts, **{name: address.format(host)}).call("me", lab.stack.issue_access_token("alice"))
    assert reply.status == status
    assert (reply.retry_after is None) == (status == 502)
    assert reply.waited < 2
    assert host not in f"{reply.headers}{reply.body!r}"


@pytest.mark.parametrize(("name", "address", "status"), [row for row in SETTINGS if row[0] != "IDENTITY_ENDPOINT"])
def test_a_handshake_that_never_comes_ends_with_the_connect_time_out(
    name: str, address: str, status: int, lab: Lab, timeouts: ShortTimeouts, silent_port: int
) -> None:
    service = {"AzureAd__Instance": "discovery", VAULT_URL: "vault"}.get(name, "graph")
    timeouts.belongs(f"127.0.0.1:{silent_port}", service)
    timeouts.expect_nothing_of(service, connects=False)
    api = Api(lab, timeouts, **{name: address.format(f"127.0.0.1:{silent_port}")})
    reply = api.call("me", lab.stack.issue_access_token("alice"))
    assert reply.status == (504 if status == 502 else status)
    assert 2 < reply.waited < 7
