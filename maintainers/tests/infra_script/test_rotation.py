"""The script's output, registered as Bicep registers it: the API exchanges tokens before, during and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.applications import API
from emulators.stack import Stack
from shared.exchange.credential import RELOAD_AFTER_SECONDS
from shared.services import Services
from tests.support.clock import RunningClock, date_client_assertions
from tests.support.lab import Lab, finish_background_work

from .script import Az, Run, missing_tools

NAME = "rotating-client"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A tenant of the test's own, because hours pass in it."""
    clock = RunningClock()
    with Stack.start(tmp_path / "tenant", now=clock) as stack:
        for name, value in stack.environ("api").items():
            if name.lower().endswith(("proxy", "ca_bundle", "cert_file")) or name.startswith("IDENTITY_"):
                monkeypatch.setenv(name, value)
        for name in ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        date_client_assertions(monkeypatch, clock)
        yield Lab(stack, clock)
        finish_background_work()


@pytest.fixture
def script(lab: Lab, tmp_path: Path) -> Az:
    """The script in that tenant."""
    if lacking := missing_tools():
        pytest.skip(f"{lacking} is not here")
    return Az(lab.stack, tmp_path / "script", real=False)


def register(stack: Stack, run: Run) -> None:
    """What app-registrations.bicep does with the output: the app has exactly these key credentials."""
    in_vault = {version.version: version.certificate for version in stack.vault.certificates(NAME)}
    wanted = []
    for version, der in run.certificates:
        certificate = in_vault[version]
        assert certificate is not None
        assert certificate.der == der
        wanted.append(certificate)
    for certificate in stack.directory.certificates(API):
        stack.directory.unregister_certificate(API, certificate)
    for certificate in wanted:
        stack.directory.register_certificate(API, certificate)


def answer(lab: Lab, *instances: Services) -> None:
    """One new sign-in's exchange by each instance of the API."""
    for instance in instances:
        assert lab.me(instance, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"


CREDENTIAL = {"AzureAd__ClientCredentials__0__KeyVaultCertificateName": NAME}
SIGNED = {**CREDENTIAL, "AzureAd__ClientCredentials__0__SourceType": "SignedAssertionFromVault"}


def test_no_request_fails_while_the_key_in_the_vault_is_rotated(lab: Lab, script: Az) -> None:
    """The same as below with `clientCredential: 'vaultKey'`: the identity cannot read any private key."""
    lab.stack.vault.readers.clear()
    register(lab.stack, script.ensure(NAME, "first", EXPORTABLE="false"))
    first = lab.services(**SIGNED)
    answer(lab, first)
    for tag in ("second", "third"):
        lab.clock.forward(60)
        rotated = script.ensure(NAME, tag, EXPORTABLE="false")
        started = lab.services(**SIGNED)
        answer(lab, first, started)  # the vault has the new version, and Entra does not know it yet
        register(lab.stack, rotated)
        answer(lab, first, started, lab.services(**SIGNED))


def test_no_request_fails_before_while_and_after_the_certificate_is_rotated(lab: Lab, script: Az) -> None:
    register(lab.stack, script.ensure(NAME, "first"))
    first = lab.services(**CREDENTIAL)
    answer(lab, first)

    lab.clock.forward(60)
    rotated = script.ensure(NAME, "second")
    assert len(rotated.versions) == 2
    answer(lab, first)  # the vault has the new version, and Entra does not know it yet

    register(lab.stack, rotated)
    second = lab.services(**CREDENTIAL)
    answer(lab, first, second)

    lab.clock.forward(60)
    register(lab.stack, script.ensure(NAME, "third"))
    assert len(lab.stack.directory.certificates(API)) == 2
    answer(lab, first, second, lab.services(**CREDENTIAL))  # what the first one signs with is no longer registered


def test_an_instance_that_meets_a_version_before_entra_does_signs_with_the_previous_one(lab: Lab, script: Az) -> None:
    register(lab.stack, script.ensure(NAME, "fourth"))
    lab.clock.forward(60)
    running = lab.services(**CREDENTIAL)
    answer(lab, running)
    rotated = script.ensure(NAME, "fifth")

    started = lab.services(**CREDENTIAL)
    answer(lab, started)
    lab.clock.forward(RELOAD_AFTER_SECONDS + 1)
    answer(lab, running, started)
    finish_background_work()
    answer(lab, running, started)

    register(lab.stack, rotated)
    answer(lab, running, started, lab.services(**CREDENTIAL))
