"""A new instance sends no request at its start, and no request twice when many first requests come at once."""

from __future__ import annotations

import json

import azure.functions as func
import pytest

from shared import User
from shared.exchange.certificate import Certificate, load_certificate
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab, at_once, said_by

CALLERS = 30
STARTED = """
import json, sys, threading

asked = []
network = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, _: asked.append(event) if event.startswith(network) else None)

def finish_threads():
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join(60)

import function_app
finish_threads()
said = {"asked": list(asked), "loaded": list(sys.modules)}

from shared.services import services
said["problems"] = dict(services.problems())
services.get()  # as the first request does
finish_threads()
print(json.dumps({**said, "asked at last": asked}))
"""


def test_importing_the_app_asks_nobody_anything(lab: Lab) -> None:
    """The libraries that are loaded in the background send none either."""
    redis = {"Url": "rediss://cache.example:10000", "ManagedIdentityClientId": "6f1d7a4e-0000-4000-8000-000000000001"}
    environ = lab.environ(**{f"TokenCache__Redis__{name}": value for name, value in redis.items()})
    said = json.loads(said_by(STARTED, environ))
    assert said["problems"] == {}
    assert {"msal", "azure.identity", "azure.keyvault.secrets", "redis"} <= set(said["loaded"])
    assert "azure.keyvault.keys" not in said["loaded"]
    assert said["asked"] == []
    assert "socket.connect" in said["asked at last"]  # so that the hook sees every connection


def test_the_client_for_signing_is_loaded_only_where_the_vault_signs(lab: Lab) -> None:
    environ = lab.environ(AzureAd__ClientCredentials__0__SourceType="SignedAssertionFromVault")
    said = json.loads(said_by(STARTED, environ))
    assert said["problems"] == {}
    assert {"msal", "azure.identity", "azure.keyvault.keys.crypto"} <= set(said["loaded"])
    assert "azure.keyvault.secrets" not in said["loaded"]
    assert said["asked"] == []


def test_importing_shared_loads_no_room_that_only_requests_need(lab: Lab) -> None:
    """The host waits for this import. The rest is loaded in the background; see preload."""
    program = "import json, sys, shared; print(json.dumps(list(sys.modules)))"
    rooms = {name.split(".")[1] for name in json.loads(said_by(program, lab.environ())) if name.startswith("shared.")}
    assert rooms.isdisjoint({"validation", "exchange", "redis", "sessions", "downstream", "mcp"})


def test_the_certificate_is_read_and_parsed_once_however_many_first_requests_come_together(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []

    def counted(data: bytes, password: str = "") -> Certificate:
        parsed.append(len(data))
        return load_certificate(data, password)

    monkeypatch.setattr("shared.exchange.credential_sources.load_certificate", counted)
    provider = LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward)

    @RequiresUser(provider)()
    def me(req: func.HttpRequest, user: User) -> str:
        return f"{len(user.token('Graph'))} characters"

    def call(bearer: str) -> int:
        headers = {"Authorization": f"Bearer {bearer}"}
        reply: func.HttpResponse = me(req=func.HttpRequest("GET", "https://localhost/", headers=headers, body=b""))
        return int(reply.status_code)

    bearers, mark = [lab.stack.issue_access_token("alice") for _ in range(CALLERS)], lab.stack.audit.mark()
    assert at_once(CALLERS, lambda number: call(bearers[number])) == [200] * CALLERS
    assert len(lab.exchanges(mark)) == CALLERS
    assert [entry.status for entry in lab.seen(mark, "secret")].count(200) == 1
    assert len(parsed) == 1
