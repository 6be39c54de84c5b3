"""What a new instance does while its app is loaded, and that it asks nothing twice when many first requests come."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import azure.functions as func
import pytest

from emulators.applications import API_IDENTITY
from shared import User
from shared.exchange.certificate import Certificate, load_certificate
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab, at_once, said_by

CALLERS = 30
WATCHED = """
import json, sys, threading

asked = []
network = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, _: asked.append(event) if event.startswith(network) else None)

import function_app
from shared.services import services
"""
STARTED = f"""{WATCHED}
while others := set(threading.enumerate()) - {{threading.current_thread()}}:
    for thread in others:
        thread.join(60)
print(json.dumps({{"asked": asked, "loaded": list(sys.modules), "problems": dict(services.problems())}}))
"""
HANGING = f"""{WATCHED}
threads = [thread for thread in threading.enumerate() if thread.name == "background preload"]
for thread in threads:
    thread.join(60)
left = set(threading.enumerate()) - {{threading.current_thread()}}
print(json.dumps([len(threads), sorted(thread.name for thread in left), [thread.daemon for thread in left]]))
"""
SLOW_APP = """
import time

from shared import requires_user


@requires_user(scopes=["access_as_user"])
def first(req): ...

time.sleep(0.5)

@requires_user()
def last(req): ...
"""


def test_loading_the_app_fetches_keys_and_credential_and_exchanges_nothing(lab: Lab) -> None:
    redis = {"Url": "rediss://cache.example:10000", "ManagedIdentityClientId": API_IDENTITY.client_id}
    mark = lab.stack.audit.mark()
    said = json.loads(said_by(STARTED, lab.environ(**{f"TokenCache__Redis__{name}": redis[name] for name in redis})))
    assert said["problems"] == {}
    assert {"msal", "azure.identity", "azure.keyvault.secrets", "redis"} <= set(said["loaded"])
    assert "azure.keyvault.keys" not in said["loaded"]
    asked = [(entry.action, entry.status) for entry in lab.stack.audit.entries(mark) if entry.action != "connect"]
    vault = [("secret", 401), ("secret", 200)]  # the 401 says where to get a token
    tokens = [("token", 200)] * 2  # of the managed identity: for the vault and for Redis
    assert sorted(asked) == sorted([("discovery", 200), ("keys", 200), *vault, *tokens])
    assert lab.exchanges(mark) == []


def test_the_client_for_signing_is_loaded_only_where_the_vault_signs(lab: Lab) -> None:
    environ = lab.environ(AzureAd__ClientCredentials__0__SourceType="SignedAssertionFromVault")
    said = json.loads(said_by(STARTED, environ))
    assert said["problems"] == {}
    assert {"msal", "azure.identity", "azure.keyvault.keys.crypto"} <= set(said["loaded"])
    assert "azure.keyvault.secrets" not in said["loaded"]


def test_with_a_wrong_setting_loading_the_app_asks_nobody(lab: Lab) -> None:
    said = json.loads(said_by(STARTED, lab.environ(AzureAd__TenantId="common")))
    assert list(said["problems"]) == ["AzureAd__TenantId"]
    assert said["asked"] == []


def test_nothing_is_loaded_before_the_app_is_imported(lab: Lab, tmp_path: Path) -> None:
    """Its last function may report a wrong setting. Both threads would also import the same libraries at once."""
    (tmp_path / "slow_app.py").write_text(SLOW_APP, encoding="utf-8")
    program = STARTED.replace("function_app", "slow_app")
    said = json.loads(said_by(program, lab.environ(AzureAd__Scopes=None, PYTHONPATH=f"{tmp_path}")))
    assert (list(said["problems"]), said["asked"]) == (["AzureAd__Scopes"], [])


def test_a_network_that_hangs_keeps_no_process_from_its_end(lab: Lab) -> None:
    """The thread that imports libraries ends by itself. Those that wait for the network are daemons."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started, left, daemons = json.loads(said_by(HANGING, lab.environ(HTTPS_PROXY=proxy, https_proxy=proxy)))
    assert (started, set(daemons)) == (1, {True})
    assert left == ["background early client credential", "background signing keys"]


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
