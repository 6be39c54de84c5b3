"""Connecting and every single read keep to the deadline."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError

from shared.deadline import within
from shared.punctual_connection import _PunctualReader
from shared.punctual_http import punctual_session
from tests.clock import Clock


def test_a_read_waits_for_no_longer_than_the_deadline_allows() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, within(10, clock := Clock()):
        ours.settimeout(15)
        raw = ours.makefile("rb", buffering=0)
        assert isinstance(raw, io.RawIOBase)
        reader = _PunctualReader(ours, raw)
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


class Unreachable:
    """Addresses that do not answer, instead of a way to the network; how long each of them was waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.tried: list[tuple[str, float]] = []
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(HTTPConnection, "_new_conn", lambda connection: self.connect(connection))

    def connect(self, connection: Any) -> socket.socket:
        self.tried.append((connection._dns_host, connection.timeout))
        raise ConnectTimeoutError(connection, "nobody there")


def test_all_addresses_of_a_name_share_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "192.0.2.1", "192.0.2.2", "192.0.2.2", "2001:db8::1")
    with pytest.raises(requests.ConnectTimeout):
        punctual_session().get("https://login.example", timeout=(3, 15))
    assert [address for address, _ in unreachable.tried] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert 0.9 < unreachable.tried[0][1] <= 1
    assert unreachable.tried[-1][1] <= 3


def test_connecting_keeps_to_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = Unreachable(monkeypatch, "192.0.2.1")
    with within(1, lambda: 0.0), pytest.raises(requests.ConnectTimeout):
        punctual_session().get("https://login.example", timeout=(3, 15))
    assert unreachable.tried[0][1] <= 1
