"""Connecting and every single read keep to the deadline."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from shared.net.deadline import within
from shared.net.deadline_http import (
    DeadlineAdapter,
    Pool,
    SecurePool,
    _DeadlineReader,
    deadline_session,
    is_timeout,
    socket_options,
)
from tests.support.clock import Clock


def test_a_read_waits_for_no_longer_than_the_deadline_allows() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, within(10, clock := Clock()):
        ours.settimeout(15)
        raw = ours.makefile("rb", buffering=0)
        assert isinstance(raw, io.RawIOBase)
        reader = _DeadlineReader(ours, raw)
        theirs.send(b"abc")
        assert reader.readinto(bytearray(1)) == 1
        assert ours.gettimeout() == pytest.approx(10)
        clock.forward(9)
        assert reader.readinto(bytearray(1)) == 1
        assert ours.gettimeout() == pytest.approx(1)
        clock.forward(1)
        with pytest.raises(TimeoutError):
            reader.readinto(bytearray(1))
        reader.close()
        assert reader.closed
        assert raw.closed


class Unreachable:
    """Replaces connecting: no address responds. Records the seconds waited for each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.tried: list[tuple[str, float]] = []
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(HTTPConnection, "_new_conn", lambda connection: self.connect(connection))

    def connect(self, connection: Any) -> socket.socket:
        self.tried.append((connection._dns_host, connection.timeout))
        if connection._dns_host.startswith("127."):
            raise NewConnectionError(connection, "refused")
        raise ConnectTimeoutError(connection, "nobody there")


def test_all_addresses_of_a_name_share_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "192.0.2.1", "192.0.2.2", "192.0.2.2", "2001:db8::1")
    with pytest.raises(requests.ConnectTimeout):
        deadline_session().get("https://login.example", timeout=(3, 15))
    assert [address for address, _ in unreachable.tried] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert 0.9 < unreachable.tried[0][1] <= 1
    assert unreachable.tried[-1][1] <= 3


def test_connecting_keeps_to_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "192.0.2.1")
    with within(1, lambda: 0.0), pytest.raises(requests.ConnectTimeout):
        deadline_session().get("https://login.example", timeout=(3, 15))
    assert unreachable.tried[0][1] <= 1


def test_after_an_address_that_refuses_comes_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "127.0.0.1", "192.0.2.1")
    with pytest.raises(requests.ConnectTimeout):
        deadline_session().get("https://login.example", timeout=(3, 15))
    assert [address for address, _ in unreachable.tried] == ["127.0.0.1", "192.0.2.1"]


def test_without_time_it_is_tried_for_a_moment_as_0_would_mean_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "192.0.2.1")
    with within(0, lambda: 0.0), pytest.raises(requests.ConnectTimeout):
        deadline_session().get("https://login.example", timeout=(3, 15))
    assert 0 < unreachable.tried[0][1] <= 0.001


def test_a_name_without_an_address_is_an_error_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(requests.ConnectTimeout):
        deadline_session().get("https://login.example", timeout=(3, 15))
    assert [address for address, _ in unreachable.tried] == ["login.example"]


def test_the_handshake_has_what_connecting_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    Unreachable(monkeypatch, "192.0.2.1", "192.0.2.2")
    monkeypatch.setattr(HTTPConnection, "_new_conn", lambda _: ours)
    with ours, theirs:
        ours.settimeout(99)
        connected = SecurePool.ConnectionCls("login.example", timeout=3)._new_conn()
        assert connected is ours
        assert (connected.gettimeout() or 99) <= 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_connection_keeps_to_the_deadline_with_a_proxy_or_without(scheme: str) -> None:
    """Plain http is for the managed identity's endpoint on this machine."""
    adapter = deadline_session().get_adapter(f"{scheme}://localhost")
    assert isinstance(adapter, DeadlineAdapter)
    pool = {"http": Pool, "https": SecurePool}[scheme]
    for manager in (adapter.poolmanager, adapter.proxy_manager_for("http://proxy.example:8080")):
        assert manager.pool_classes_by_scheme[scheme] is pool
        assert manager.connection_pool_kw["socket_options"] == socket_options()


def test_a_proxy_does_not_get_what_is_for_the_managed_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its endpoint is on this machine and speaks plain http. The header that it asks for is a secret."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as endpoint, socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        url = f"http://127.0.0.1:{endpoint.getsockname()[1]}/msi/token"
        with pytest.raises(requests.ReadTimeout), deadline_session() as session:
            session.get(url, headers={"X-IDENTITY-HEADER": "secret"}, timeout=(1, 0.1))
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_an_idle_connection_is_probed_before_azure_forgets_it() -> None:
    with socket.socket() as connection:
        for option in socket_options():
            connection.setsockopt(*option)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                assert connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


REFUSED = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # its connection
READ_TIMEOUT = ReadTimeoutError(None, "https://login.example", "timed out")  # type: ignore[arg-type]  # its pool


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (ConnectTimeoutError(), True),
        (READ_TIMEOUT, True),
        (TimeoutError("the deadline is over"), True),
        (ProtocolError("Connection aborted.", TimeoutError()), True),  # while the request was sent
        (ProxyError("Unable to connect to proxy", ConnectTimeoutError()), True),
        (ProxyError("Unable to connect to proxy", REFUSED), False),
        (REFUSED, False),
        (NameResolutionError("login.example", None, socket.gaierror()), False),  # type: ignore[arg-type]  # its connection
        (ProtocolError("Connection aborted.", ConnectionResetError()), False),
        (ProtocolError("Connection aborted."), False),
        (ProtocolError(), False),
        (SSLError(TimeoutError()), False),
        (OSError(5, "failed"), False),
    ],
)
def test_what_counts_as_a_time_out(error: Exception, is_one: bool) -> None:
    assert is_timeout(error) is is_one
