"""What the script does to the vault, and what it writes for the app registration."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from cryptography import x509

from emulators.applications import CERTIFICATE_IDENTITY
from emulators.audit import Entry
from emulators.certificates import issue_certificate
from emulators.stack import Stack
from tests.support.clock import RunningClock

from .script import RENEW_DAYS, VALIDITY_MONTHS, Az

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A certificate no other test has."""
    return f"certificate-{next(_numbers)}"


def made(stack: Stack, name: str) -> list[str]:
    """The vault's versions, oldest first."""
    return [version.version for version in stack.vault.certificates(name)]


def put(stack: Stack, name: str, days: int, tag: str | None, enabled: bool = True) -> str:
    """A version that ends in so many days."""
    certificate = issue_certificate(name, time.time(), days)
    return stack.vault.put_certificate(name, certificate, tags={"rotation": tag} if tag else None, enabled=enabled)


def test_the_first_run_makes_the_certificate_and_the_second_changes_nothing(az: Az, stack: Stack, name: str) -> None:
    first = az.ensure(name)
    (version,) = made(stack, name)
    assert first.versions == [version]
    assert f"Creating a version of {name}: there is none yet." in first.said
    (der,) = (der for _, der in first.certificates)
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.subject.rfc4514_string() == f"CN={name}"
    assert 0 <= (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days - 30 * VALIDITY_MONTHS <= 7

    second = az.ensure(name)
    assert made(stack, name) == [version]
    assert second.certificates == first.certificates
    assert "Creating" not in second.said


def test_the_vault_never_renews_by_itself_and_keeps_the_key_as_pem(az: Az, stack: Stack, name: str) -> None:
    az.ensure(name)
    shown = az.run(["keyvault", "certificate", "list", "--vault-name", "obo-local", "--output", "json"])
    tags = {entry["name"]: entry["tags"] for entry in json.loads(shown.stdout)}
    assert tags[name] == {"rotation": "first"}
    (version,) = stack.vault.certificates(name)
    assert version.content_type == "application/x-pem-file"
    policy = stack.vault.certificate_service.policies[name].body
    assert policy["lifetime_actions"] == [
        {"trigger": {"days_before_expiry": RENEW_DAYS}, "action": {"action_type": "EmailContacts"}}
    ]
    assert policy["key_props"] == {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False}


def test_a_key_that_must_not_leave_the_vault_is_made_so(az: Az, stack: Stack, name: str) -> None:
    first = az.ensure(name, EXPORTABLE="false")
    (version,) = stack.vault.certificates(name)
    assert not version.exportable
    assert stack.vault.certificate_service.policies[name].body["key_props"]["exportable"] is False  # type: ignore[index]
    assert "PRIVATE KEY" not in version.value
    assert az.ensure(name, EXPORTABLE="false").certificates == first.certificates


def test_a_key_that_may_leave_the_vault_is_replaced_where_none_may(
    az: Az, stack: Stack, clock: RunningClock, name: str
) -> None:
    (old,) = az.ensure(name).versions
    clock.forward(60)
    run = az.ensure(name, EXPORTABLE="false")
    assert "its key must not leave the vault from now on" in run.said
    assert run.versions == [made(stack, name)[1], old]
    assert [version.exportable for version in stack.vault.certificates(name)] == [True, False]
    assert az.ensure(name, EXPORTABLE="false").versions == run.versions
    assert az.ensure(name).versions == run.versions  # back to a key that may leave: with the next version


def test_a_new_tag_makes_exactly_one_version(az: Az, stack: Stack, clock: RunningClock, name: str) -> None:
    (first,) = az.ensure(name).versions
    clock.forward(60)
    rotated = az.ensure(name, "2027-01")
    assert len(made(stack, name)) == 2
    second = made(stack, name)[1]
    assert rotated.versions == [second, first]
    assert "the rotation tag is now 2027-01" in rotated.said
    assert az.ensure(name, "2027-01").certificates == rotated.certificates

    clock.forward(60)
    assert az.ensure(name, "2027-02").versions == [made(stack, name)[2], second]
    assert len(made(stack, name)) == 3


@pytest.mark.parametrize("tag", ["first", None])
def test_near_its_end_a_certificate_is_renewed(
    az: Az, stack: Stack, clock: RunningClock, name: str, tag: str | None
) -> None:
    old = put(stack, name, RENEW_DAYS - 1, tag)
    clock.forward(60)
    run = az.ensure(name)
    assert "the newest version expires on" in run.said
    assert run.versions == [made(stack, name)[1], old]
    assert len(made(stack, name)) == 2
    assert az.ensure(name).certificates == run.certificates


def test_what_somebody_imported_is_left_alone(az: Az, stack: Stack, name: str) -> None:
    imported = put(stack, name, RENEW_DAYS + 1, None)
    assert az.ensure(name, "a-new-tag").versions == [imported]
    assert made(stack, name) == [imported]


def test_a_disabled_newest_version_is_replaced(az: Az, stack: Stack, clock: RunningClock, name: str) -> None:
    good = put(stack, name, 300, "first")
    clock.forward(60)
    put(stack, name, 300, "first", enabled=False)
    clock.forward(60)
    run = az.ensure(name)
    assert "the newest version is disabled" in run.said
    assert run.versions == [made(stack, name)[2], good]


def test_expired_versions_are_not_reported(az: Az, stack: Stack, clock: RunningClock, name: str) -> None:
    put(stack, name, 0, "first")
    clock.forward(60)
    assert az.ensure(name).versions == made(stack, name)[1:]


def test_more_versions_than_one_page_holds(az: Az, stack: Stack, clock: RunningClock, name: str) -> None:
    old = []
    for _ in range(28):
        old.append(put(stack, name, 300, "first"))
        clock.forward(60)
    assert az.ensure(name).versions == [old[-1], old[-2]]
    assert made(stack, name) == old


def test_other_certificates_do_not_confuse_it(az: Az, stack: Stack, name: str) -> None:
    put(stack, f"{name}-other", 300, None)
    stack.vault.put(f"{name}-plain", "text")
    assert az.ensure(name).versions == made(stack, name)
    assert len(made(stack, f"{name}-other")) == 1


def test_it_waits_until_its_role_has_reached_the_vault(az: Az, stack: Stack, name: str) -> None:
    refused = []

    def grant_after_three(entry: Entry) -> None:
        if entry.service == "vault" and entry.status == 403:
            refused.append(entry)
            if len(refused) == 3:
                stack.vault.officers.add(CERTIFICATE_IDENTITY.principal_id)

    stop = stack.audit.subscribe(grant_after_three)
    stack.vault.officers.clear()
    az.sleeps.unlink(missing_ok=True)
    try:
        assert az.ensure(name).versions == made(stack, name)
    finally:
        stop()
        stack.vault.officers.add(CERTIFICATE_IDENTITY.principal_id)
    assert az.sleeps.read_text(encoding="utf-8").split() == ["15", "15", "15"]


def test_a_failed_creation_fails_the_deployment_and_reports_nothing(az: Az, stack: Stack, name: str) -> None:
    run = az.ensure(name, VALIDITY_MONTHS="0")
    assert run.code != 0
    assert run.written is None
    assert "x509_props" in run.complained
    assert made(stack, name) == []


def test_a_question_that_fails_is_not_taken_for_an_empty_vault(az: Az, stack: Stack, name: str) -> None:
    def refuse_the_second(entry: Entry) -> None:
        if entry.service == "vault" and entry.status == 200:
            stop()
            stack.faults.add("vault", status=403, body={"error": {"code": "Forbidden", "message": "not now"}}, times=1)

    put(stack, name, 300, "first")
    stop = stack.audit.subscribe(refuse_the_second)
    try:
        run = az.ensure(name)
    finally:
        stop()
        stack.faults.clear()
    assert (run.code != 0, run.written) == (True, None)
    assert "not now" in run.complained
    assert len(made(stack, name)) == 1


def test_it_asks_for_no_private_key(az: Az, stack: Stack, name: str) -> None:
    mark = stack.audit.mark()
    run = az.ensure(name)
    asked = [entry.path for entry in stack.audit.entries(mark) if entry.service == "vault"]
    assert asked
    assert not [path for path in asked if not path.startswith("/certificates")]
    assert "PRIVATE" not in run.said + run.complained + json.dumps(run.written)
