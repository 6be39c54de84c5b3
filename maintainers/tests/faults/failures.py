"""The failures of the matrix, by name: how each is provoked, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from shared.net.deadline_http import Connections
from tests.support.lab import Lab

from .short_timeouts import ShortTimeouts

_SIDE_BY_SIDE = {"discovery": "login.microsoftonline.com", "vault": "obo-local.vault.azure.net"}

SECONDS_PER_BYTE = 0.25  # of a slow response, on the clock of the tests

TARGETS = {
    "discovery": "entra.discovery",
    "keys": "entra.keys",
    "identity": "identity",
    "vault": "vault",
    "token": "entra.token",
    "graph": "graph",
    "orders": "orders",
}

_LONG = "x" * 10_000_000
_TOO_LONG = "x" * 17_000_000
_ELSEWHERE = {"Location": "https://management.azure.com/subscriptions"}

FAULTS: dict[str, dict[str, Any]] = {
    "no connection": {"network": "refused"},
    "no such name": {},
    "silence": {"network": "silent"},
    "foreign TLS": {"network": "tls"},
    "no HTTP": {"network": "garbage"},
    "reset at once": {"network": "reset-before"},
    "reset midway": {"network": "reset"},
    "hangs": {"network": "hang"},
    "drips headers": {"network": "drip-headers"},
    "drips body": {"network": "drip-body"},
    "429": {"status": 429},
    "429, 2 s": {"status": 429, "headers": {"Retry-After": "2"}},
    "429, 30 s": {"status": 429, "headers": {"Retry-After": "30"}},
    "429, date": {"status": 429, "headers": {"Retry-After": "in half a minute"}},
    "500": {"status": 500},
    "503": {"status": 503},
    "503, 30 s": {"status": 503, "headers": {"Retry-After": "30"}},
    "200, no JSON": {"status": 200, "body": "<html>It works!</html>"},
    "200, empty": {"status": 200, "body": ""},
    "200, 10 MB": {"status": 200, "body": _LONG},
    "200, 17 MB": {"status": 200, "body": _TOO_LONG},
    "redirect": {"status": 302, "headers": _ELSEWHERE, "body": ""},
}
"""Of these, "no such name" never gets as far as the emulators, and "in half a minute" stands for a date."""

UNANSWERED = {"silence", "hangs"}


@contextmanager
def failing(
    lab: Lab, failure: str, service: str, timeouts: ShortTimeouts, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """As long as it lasts, the service fails in this way."""
    with monkeypatch.context() as patch:
        if failure == "no such name":
            _without_a_name(service, patch)
        else:
            _switch_on(lab, failure, TARGETS[service])
        timeouts.expect_nothing_of(service if failure in UNANSWERED else "", connects=failure != "silence")
        lab.stack.faults.on_drip = lambda: lab.clock.forward(SECONDS_PER_BYTE)
        try:
            yield
        finally:
            timeouts.expect_nothing_of("")
            lab.stack.faults.on_drip = None
            lab.stack.faults.clear()


def _switch_on(lab: Lab, failure: str, target: str) -> None:
    options = dict(FAULTS[failure])
    if failure == "429, date":
        options["headers"] = {"Retry-After": formatdate(lab.clock() + 30, usegmt=True)}
    lab.stack.faults.add(target, **options)


def _without_a_name(service: str, patch: pytest.MonkeyPatch) -> None:
    """DNS fails for the proxy's name, or for a name that is resolved without a proxy.

    Without a proxy, the identity endpoint is resolved, and the names that the first request needs at once.
    The environment of a process does not change while it runs. So pools of connections are made anew here.
    """
    patch.setattr(Connections, "_pool", lambda made, netloc: made._new_pool(netloc))
    if service == "identity":
        patch.setenv("IDENTITY_ENDPOINT", "http://nowhere.invalid/msi/token")
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "localhost,127.0.0.1,nowhere.invalid")
    elif service in _SIDE_BY_SIDE:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, f"localhost,127.0.0.1,{_SIDE_BY_SIDE[service]}")
        resolve = socket.getaddrinfo

        def unknown(host: Any, *more: Any, **options: Any) -> Any:
            if host == _SIDE_BY_SIDE[service]:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return resolve(host, *more, **options)

        patch.setattr(socket, "getaddrinfo", unknown)
    else:
        for name in ("HTTPS_PROXY", "https_proxy"):
            patch.setenv(name, "http://nowhere.invalid:3128")
