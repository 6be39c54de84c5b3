"""The health check tells how the last requests found the credential and the signing keys. Asking it starts nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import API, API_IDENTITY
from shared import User
from shared.exchange.credential import RELOAD_COOLDOWN_SECONDS
from shared.exchange.credential_assertions import USE_ASSERTION_SECONDS
from shared.requires_user import RequiresUser, health
from shared.services import LAST_STATE_SECONDS, LazyServices
from shared.validation.signing_keys import MAX_AGE_SECONDS
from tests.support.lab import Lab, finish_background_work

WELL = (200, {"status": "healthy"})
AT = "AzureAd__ClientCredentials__0__"


def unwell(*names: str) -> tuple[int, dict[str, Any]]:
    return 503, {"status": "unhealthy", "broken": list(names)}


class Instance:
    """One instance of the API: its health check, and a function that calls Graph."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
        self.lab, self.changes = lab, changes
        self.services = LazyServices(lab.environ(**changes), now=lab.clock, sleep=lab.clock.forward)
        monkeypatch.setitem(health.__globals__, "lazy_services", self.services)

        @RequiresUser(self.services)()
        def name(req: func.HttpRequest, user: User) -> object:
            return user.api("Graph").get("/me").json()["displayName"]

        self._name = name

    def call(self, person: str = "alice") -> int:
        headers = {"Authorization": f"Bearer {self.lab.stack.issue_access_token(person)}"}
        request = func.HttpRequest("GET", "https://localhost/", headers=headers, body=b"")
        reply: func.HttpResponse = self._name(req=request)
        return int(reply.status_code)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body. It has sent nothing and started no thread."""
        finish_background_work()
        mark, threads = self.lab.stack.audit.mark(), set(threading.enumerate())
        reply = health()
        assert reply.mimetype == "application/json"
        assert set(threading.enumerate()) <= threads
        assert self.lab.stack.audit.entries(mark) == []
        return reply.status_code, json.loads(reply.get_body())


Start = Callable[..., Instance]


@pytest.fixture
def start(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    known = list(lab.stack.directory.certificates(API))
    yield lambda **changes: Instance(lab, monkeypatch, **changes)
    for certificate in known:
        if certificate not in lab.stack.directory.certificates(API):
            lab.stack.directory.register_certificate(API, certificate)


def test_before_the_first_request_nothing_is_known_and_nothing_is_asked(lab: Lab, start: Start) -> None:
    lab.stack.faults.add("vault", status=403)
    lab.stack.faults.add("entra.keys", status=500)
    assert [start().health() for _ in range(3)] == [WELL] * 3


def test_a_credential_that_cannot_be_loaded_and_then_can(lab: Lab, start: Start) -> None:
    instance = start()
    lab.stack.faults.add("vault", status=403)
    assert (instance.call(), instance.health()) == (500, unwell("client credential"))
    lab.stack.faults.clear()
    lab.clock.forward(15)
    assert (instance.call(), instance.health()) == (200, WELL)


def test_a_vault_that_is_down_later_stops_no_request_and_is_not_told(lab: Lab, start: Start) -> None:
    instance = start()
    assert instance.call() == 200
    lab.stack.faults.add("vault", status=503)
    lab.clock.forward(5 * 3600)
    assert (instance.call("olga"), instance.health()) == (200, WELL)


def test_a_credential_that_entra_refuses_and_then_accepts(lab: Lab, start: Start) -> None:
    instance = start()
    known = list(lab.stack.directory.certificates(API))
    for certificate in known:
        lab.stack.directory.unregister_certificate(API, certificate)
    assert (instance.call(), instance.health()) == (500, unwell("client credential"))
    for certificate in known:
        lab.stack.directory.register_certificate(API, certificate)
    lab.clock.forward(RELOAD_COOLDOWN_SECONDS)  # if the vault has an older certificate, that one was tried last
    assert (instance.call(), instance.health()) == (200, WELL)


def test_a_wrong_secret(lab: Lab, start: Start) -> None:
    instance = start(**lab.credential("ClientSecret", ClientSecret="hunter2"))
    assert (instance.call(), instance.health()) == (500, unwell("client credential"))


@pytest.mark.parametrize("person", ["connor", "maya"])
def test_what_only_the_user_lacks_is_not_told(start: Start, person: str) -> None:
    instance = start()
    assert (instance.call(person) in (401, 403), instance.health()) == (True, WELL)


def test_a_key_in_the_vault_that_signs_no_more(lab: Lab, start: Start) -> None:
    lab.stack.vault.crypto_users.add(API_IDENTITY.principal_id)
    lab.stack.vault.metadata_readers.add(API_IDENTITY.principal_id)
    try:
        instance = start(**{AT + "SourceType": "SignedAssertionFromVault"})
        assert (instance.call(), instance.health()) == (200, WELL)
        lab.stack.faults.add("vault", status=403)
        lab.clock.forward(USE_ASSERTION_SECONDS - 100)
        assert (instance.call("olga"), instance.health()) == (200, WELL)  # the last assertion serves
        lab.clock.forward(200)
        assert (instance.call("greta"), instance.health()) == (500, unwell("client credential"))
        lab.stack.faults.clear()
        lab.clock.forward(15)
        assert (instance.call("greta"), instance.health()) == (200, WELL)
    finally:
        lab.stack.vault.crypto_users.clear()
        lab.stack.vault.metadata_readers.clear()


def test_signing_keys_that_cannot_be_fetched_and_then_can(lab: Lab, start: Start) -> None:
    instance = start()
    lab.stack.faults.add("entra.keys", status=500)
    assert (instance.call(), instance.health()) == (503, unwell("signing keys"))
    lab.stack.faults.clear()
    lab.clock.forward(15)
    assert (instance.call(), instance.health()) == (200, WELL)


def test_keys_that_are_known_still_serve_while_entra_is_down(lab: Lab, start: Start) -> None:
    instance = start()
    assert instance.call() == 200
    lab.stack.faults.add("entra.keys", status=500)
    lab.clock.forward(MAX_AGE_SECONDS + 1)
    assert (instance.call("olga"), instance.health()) == (200, WELL)
    lab.clock.forward(2 * MAX_AGE_SECONDS)
    assert (instance.call("greta"), instance.health()) == (200, WELL)


def test_a_list_without_keys(lab: Lab, start: Start) -> None:
    instance = start()
    lab.stack.faults.add("entra.keys", status=200, body={"keys": []})
    assert (instance.call(), instance.health()) == (503, unwell("signing keys"))


def test_keys_that_grew_old_because_nobody_called_are_not_broken(lab: Lab, start: Start) -> None:
    instance = start()
    assert instance.call() == 200
    lab.clock.forward(24 * 3600)
    assert instance.health() == WELL


def test_both_at_once_and_after_five_minutes_nothing_is_known_any_more(lab: Lab, start: Start) -> None:
    """Else an instance that gets no requests because it is unhealthy would stay unhealthy."""
    instance = start()
    lab.stack.faults.add("vault", status=403)
    lab.stack.faults.add("entra.keys", status=500)
    assert instance.call() == 503
    finish_background_work()  # the credential is loaded there
    lab.stack.faults.clear()
    assert instance.health() == unwell("client credential", "signing keys")
    lab.clock.forward(LAST_STATE_SECONDS - 10)
    assert instance.health() == unwell("client credential", "signing keys")
    lab.clock.forward(11)
    assert instance.health() == WELL


def test_wrong_settings_are_named_as_before(lab: Lab, start: Start) -> None:
    instance = start(AzureAd__TenantId="hunter2")
    assert instance.call() == 500
    assert instance.health() == (503, {"status": "unhealthy", "settings": ["AzureAd__TenantId"]})


def test_of_several_tenants_one_whose_entra_refuses_the_credential_says_nothing_about_the_others(
    several: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(several, monkeypatch, **several.credential("ClientSecret", ClientSecret="hunter2"))
    assert (instance.call("frida"), instance.health()) == (500, WELL)
