"""The loads of the client credential that all tenants share: when one is loaded, and when a known one is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import ServerMisconfigured, ServiceUnavailable
from shared.exchange.credential_loads import FAILED_COOLDOWN_SECONDS, SHARED_COOLDOWN_SECONDS, CredentialLoads
from shared.net.circuit_breaker import FAILURES
from shared.settings.credentials import CredentialSettings
from tests.support.clock import Clock
from tests.support.lab import finish_background_work

NEWEST = (CredentialSettings("KeyVault", key_vault_certificate_name="a"),)
BEFORE = (CredentialSettings("KeyVault", key_vault_certificate_name="a", version_refused="2"),)


class Credential:
    source_type, broken_at = "KeyVault", float("-inf")

    def __init__(self, version: str) -> None:
        self.version = version

    def for_msal(self) -> str:
        return self.version


class Vault:
    """Has this version for each of the sources, or an error."""

    def __init__(self) -> None:
        self.has: dict[Any, str | Exception] = {NEWEST: "2", BEFORE: "1"}
        self.asked: list[Any] = []

    def load(self, sources: Any, now: Callable[[], float]) -> Credential:
        self.asked.append(sources)
        found = self.has[sources]
        if isinstance(found, Exception):
            raise found
        return Credential(found)


Parts = tuple[CredentialLoads, Vault, Clock]


@pytest.fixture
def parts() -> Parts:
    vault, clock = Vault(), Clock()
    return CredentialLoads(NEWEST, clock, vault.load), vault, clock


def test_what_is_loaded_serves_every_tenant_for_as_long_as_it_is_good(parts: Parts) -> None:
    loads, vault, clock = parts
    first = loads.take(NEWEST)
    assert (first.credential.version, first.at) == ("2", clock())
    clock.forward(9999)
    vault.has[NEWEST] = ServiceUnavailable(reason="the vault is down")
    assert loads.take(NEWEST) is first
    assert vault.asked == [NEWEST]


def test_an_old_one_is_loaded_anew_once_for_all(parts: Parts) -> None:
    loads, vault, clock = parts
    first = loads.take(NEWEST)
    clock.forward(100)
    second = loads.take(NEWEST, newer_than=first.at)
    assert second is not first
    assert loads.take(NEWEST, newer_than=first.at) is second
    assert len(vault.asked) == 2


def test_a_refused_version_is_replaced_by_another_one_that_is_known(parts: Parts) -> None:
    loads, vault, clock = parts
    first = loads.take(NEWEST)
    clock.forward(100)
    vault.has[NEWEST] = "3"
    second = loads.take(NEWEST, newer_than=first.at, refused="2")
    clock.forward(SHARED_COOLDOWN_SECONDS)
    assert loads.take(NEWEST, newer_than=first.at, refused="2") is second
    assert len(vault.asked) == 2


def test_a_version_that_stays_refused_is_loaded_once_in_two_seconds_however_many_tenants_ask(parts: Parts) -> None:
    loads, vault, clock = parts
    first = loads.take(NEWEST)
    clock.forward(100)
    for _ in range(5):
        assert loads.take(NEWEST, newer_than=first.at, refused="2").credential.version == "2"
    assert len(vault.asked) == 2
    clock.forward(SHARED_COOLDOWN_SECONDS)
    vault.has[NEWEST] = "3"
    assert loads.take(NEWEST, newer_than=first.at, refused="2").credential.version == "3"


def test_a_known_version_from_before_the_refused_one_was_loaded_is_not_taken(parts: Parts) -> None:
    """The certificate before the newest was in use, and is refused now: the vault may have a third one."""
    loads, vault, clock = parts
    loads.take(NEWEST)
    clock.forward(100)
    before = loads.take(BEFORE)
    vault.has[NEWEST] = "3"
    assert loads.take(NEWEST, newer_than=before.at, refused="1").credential.version == "3"


def test_a_credential_without_a_version_is_loaded_anew_when_it_was_refused(parts: Parts) -> None:
    loads, vault, clock = parts
    vault.has[NEWEST] = ""
    first = loads.take(NEWEST)
    clock.forward(100)
    loads.take(NEWEST, newer_than=first.at)
    clock.forward(100)
    loads.take(NEWEST, newer_than=first.at, refused="")
    assert len(vault.asked) == 3


def test_the_one_before_is_kept_apart_and_for_its_own_version_alone(parts: Parts) -> None:
    loads, vault, _ = parts
    newest, before = loads.take(NEWEST), loads.take(BEFORE)
    assert (newest.credential.version, before.credential.version) == ("2", "1")
    assert (loads.take(NEWEST), loads.take(BEFORE)) == (newest, before)
    other = (BEFORE[0]._replace(version_refused="3"),)
    vault.has[other] = "2"
    assert loads.take(other).credential.version == "2"
    assert loads.take(NEWEST) is newest


def test_failures_to_find_the_one_before_open_no_circuit_for_the_newest(parts: Parts) -> None:
    loads, vault, _ = parts
    vault.has[BEFORE] = ServerMisconfigured(reason="no earlier version")
    for _ in range(FAILURES + 2):
        with pytest.raises(ServerMisconfigured):
            loads.take(BEFORE)
    assert vault.asked.count(BEFORE) == FAILURES
    assert loads.take(NEWEST).credential.version == "2"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(ServiceUnavailable(reason="x"), ServiceUnavailable), (ServerMisconfigured(reason="x"), ServerMisconfigured)],
)
def test_an_open_circuit_says_what_the_last_failure_said(
    parts: Parts, failure: Exception, kind: type[Exception]
) -> None:
    loads, vault, _ = parts
    vault.has[NEWEST] = failure
    for _ in range(FAILURES + 1):
        with pytest.raises(kind) as raised:
            loads.take(NEWEST)
    assert raised.value is not failure
    assert len(vault.asked) == FAILURES
    if isinstance(raised.value, ServiceUnavailable):
        assert raised.value.retry_after == 1


def test_a_load_that_succeeds_ends_the_count_of_failures(parts: Parts) -> None:
    loads, vault, _ = parts
    for _ in range(3):
        vault.has[BEFORE] = ServiceUnavailable(reason="x")
        for _ in range(FAILURES - 1):
            with pytest.raises(ServiceUnavailable):
                loads.take(BEFORE, newer_than=9e99)
        vault.has[BEFORE] = "1"
        assert loads.take(BEFORE, newer_than=9e99).credential.version == "1"


def test_a_credential_of_another_kind_is_another_one(parts: Parts) -> None:
    """The vault has no usable certificate any more, and a secret is the next source."""
    loads, vault, clock = parts
    first = loads.take(NEWEST)
    clock.forward(100)
    vault.has[NEWEST] = ""
    second = loads.take(NEWEST, newer_than=first.at, refused="2")
    clock.forward(SHARED_COOLDOWN_SECONDS)
    assert loads.take(NEWEST, newer_than=first.at, refused="2") is second


@pytest.mark.parametrize(
    ("later", "asked"), [(0.0, 1), (FAILED_COOLDOWN_SECONDS - 0.1, 1), (FAILED_COOLDOWN_SECONDS, 2)]
)
def test_the_failure_of_the_early_load_counts_once_and_for_two_seconds(parts: Parts, later: float, asked: int) -> None:
    loads, vault, clock = parts
    vault.has[NEWEST] = failure = ServiceUnavailable(reason="the vault is down")
    loads.load_early()
    finish_background_work()
    clock.forward(later)
    with pytest.raises(ServiceUnavailable) as raised:
        loads.take(NEWEST)
    assert raised.value is failure
    assert len(vault.asked) == asked
    vault.has[NEWEST] = "2"
    assert loads.take(NEWEST).credential.version == "2"


def test_the_early_load_is_used(parts: Parts) -> None:
    loads, vault, _ = parts
    loads.load_early()
    assert loads.take(NEWEST).credential.version == "2"
    assert vault.asked == [NEWEST]
