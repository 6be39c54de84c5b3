"""The sources of a client credential, each proven by an exchange that Entra accepts; their order; rotation."""

from __future__ import annotations

import base64
import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from azure.identity import CredentialUnavailableError

from emulators.applications import API, SYSTEM_IDENTITY
from emulators.certificates import Certificate, issue_certificate
from shared.errors import ServerMisconfigured, ServiceUnavailable
from shared.exchange import azure_identity
from shared.exchange.azure_identity import LateCredential
from shared.exchange.certificate import CertificateError, load_certificate
from shared.exchange.credential import RELOAD_AFTER_SECONDS, RELOAD_COOLDOWN_SECONDS, RETURN_AFTER_SECONDS
from shared.exchange.credential_failures import describe, is_passing
from shared.settings import CredentialSettings
from tests.support.lab import Lab, finish_background_work


@pytest.fixture
def certificate(lab: Lab) -> Certificate:
    """The certificate that Entra knows at the moment."""
    return lab.stack.client_certificate


def works(lab: Lab, **changes: str | None) -> bool:
    return lab.me(lab.services(**changes), lab.stack.issue_access_token("alice")) == "Alice Ahlberg"


def read_times(lab: Lab, since: int) -> int:
    """How often the vault returned the certificate. The first request of a process gets 401, which asks for a token."""
    return sum(entry.status == 200 for entry in lab.seen(since, "secret"))


def test_key_vault_through_managed_identity(lab: Lab) -> None:
    mark = lab.stack.audit.mark()
    assert lab.stack.vault.certificate_users == set()  # so Key Vault Secrets User is enough
    assert works(lab)
    reads = lab.seen(mark, "secret")
    assert [entry.caller for entry in reads if entry.status == 200] == ["api"]
    assert [
        entry.verdict.partition(":")[0] for entry in lab.stack.audit.entries(mark) if entry.service == "identity"
    ] == ["ok"]


def test_key_vault_holding_pem(lab: Lab) -> None:
    lab.stack.vault.put_certificate("api-pem", lab.stack.client_certificate, "application/x-pem-file")
    assert works(lab, AzureAd__ClientCredentials__0__KeyVaultCertificateName="api-pem")


def test_signed_assertion_from_managed_identity(lab: Lab) -> None:
    identity = lab.environ()["AzureAd__ClientCredentials__0__ManagedIdentityClientId"]
    mark = lab.stack.audit.mark()
    assert works(lab, **lab.credential("SignedAssertionFromManagedIdentity", ManagedIdentityClientId=identity))
    assert lab.seen(mark, "secret") == []


def test_signed_assertion_from_a_system_assigned_identity(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.stack.identity, "system_assigned", True)
    lab.stack.directory.trust_identity(API, SYSTEM_IDENTITY)
    mark = lab.stack.audit.mark()
    assert works(lab, **lab.credential("SignedAssertionFromManagedIdentity"))
    assert [entry.verdict.partition(":")[0] for entry in lab.seen(mark, "token") if entry.service == "identity"] == [
        "ok"
    ]


def test_an_app_without_a_system_assigned_identity_is_told_so(lab: Lab) -> None:
    with pytest.raises(ServerMisconfigured, match="400: the app has no system-assigned identity; turn it on, or set"):
        works(lab, **lab.credential("SignedAssertionFromManagedIdentity"))


@pytest.mark.parametrize("password", ["", "hunter2"])
def test_certificate_file_pfx(lab: Lab, certificate: Certificate, tmp_path: Path, password: str) -> None:
    (tmp_path / "client.pfx").write_bytes(certificate.pfx(password or None))
    at = str(tmp_path / "client.pfx")
    assert works(lab, **lab.credential("Path", CertificateDiskPath=at, CertificatePassword=password))


def test_certificate_file_pem(lab: Lab, certificate: Certificate, tmp_path: Path) -> None:
    (tmp_path / "client.pem").write_bytes(certificate.pem())
    assert works(lab, **lab.credential("Path", CertificateDiskPath=str(tmp_path / "client.pem")))


def test_base64_in_a_setting(lab: Lab, certificate: Certificate) -> None:
    value = base64.b64encode(certificate.pfx()).decode()
    assert works(lab, **lab.credential("Base64Encoded", Base64EncodedValue=value))


def test_a_managed_identity_that_fails_later_is_an_outage_and_leaks_nothing(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    identity = lab.environ()["AzureAd__ClientCredentials__0__ManagedIdentityClientId"]
    services = lab.services(**lab.credential("SignedAssertionFromManagedIdentity", ManagedIdentityClientId=identity))
    lab.stack.identity.lifetime, lifetime = 1, lab.stack.identity.lifetime
    lab.clock.at, moved = 0.0, lab.clock.at  # azure-identity uses the real time
    try:
        lab.me(services, lab.stack.issue_access_token("greta"))
        lab.stack.faults.add("identity", status=500, body="internal s3cr3t")
        with pytest.raises(ServiceUnavailable):
            lab.me(services, lab.stack.issue_access_token("greta"))
    finally:
        lab.stack.identity.lifetime, lab.clock.at = lifetime, moved
    assert "s3cr3t" not in caplog.text


def test_client_secret(lab: Lab) -> None:
    secret = lab.stack.directory.add_secret(API, lab.clock() + 3600)
    assert works(lab, **lab.credential("ClientSecret", ClientSecret=secret))


@pytest.mark.parametrize("secret", ["wrong-s3cr3t"])
def test_a_wrong_secret_is_our_fault_not_the_callers(lab: Lab, secret: str) -> None:
    with pytest.raises(ServerMisconfigured) as raised:
        works(lab, **lab.credential("ClientSecret", ClientSecret=secret))
    assert "AADSTS7000215" in raised.value.reason
    assert secret not in f"{raised.value!r}"


def test_credentials_are_tried_in_order_and_the_winner_is_logged(
    lab: Lab, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared")
    at = "AzureAd__ClientCredentials__1__"
    second = {
        at + "SourceType": "Base64Encoded",
        at + "Base64EncodedValue": base64.b64encode(certificate.pfx()).decode(),
    }
    assert works(lab, **lab.credential("Path", CertificateDiskPath="/nowhere/client.pfx"), **second)
    assert "Path could not be loaded (FileNotFoundError: there is no file at CertificateDiskPath)" in caplog.text
    assert "using Base64Encoded" in caplog.text


@pytest.mark.parametrize(
    ("days", "level", "said"),  # of a certificate that was made for 100 days
    [
        (31, logging.INFO, "valid to"),
        (30, logging.WARNING, "ends in 29 days"),
        (1, logging.WARNING, "ends in 0 days"),
        (-1, logging.ERROR, "ended on"),
    ],
)
def test_a_certificate_near_its_end_is_told_to_the_operator(
    lab: Lab, caplog: pytest.LogCaptureFixture, days: int, level: int, said: str
) -> None:
    caplog.set_level(logging.INFO, "shared")
    value = base64.b64encode(issue_certificate("api", lab.clock() - (100 - days) * 86_400, 100).pfx()).decode()
    with suppress(ServerMisconfigured):  # Entra does not know this certificate
        works(lab, **lab.credential("Base64Encoded", Base64EncodedValue=value))
    lines = [(r.levelno, r.getMessage()) for r in caplog.records if "certificate from Base64Encoded" in r.getMessage()]
    assert lines
    assert {number for number, _ in lines} == {level}
    assert all(said in text for _, text in lines)


def test_no_credential_at_all_is_a_misconfiguration(lab: Lab) -> None:
    with pytest.raises(ServerMisconfigured):
        works(lab, **lab.credential("Path", CertificateDiskPath="/nowhere/client.pfx"))


@pytest.mark.parametrize(
    ("target", "status", "kind"),
    [
        ("vault", 503, ServiceUnavailable),
        ("vault", 429, ServiceUnavailable),
        ("vault", 403, ServerMisconfigured),
        ("vault", 404, ServerMisconfigured),
        ("identity", 429, ServiceUnavailable),
        ("identity", 500, ServiceUnavailable),
    ],
)
def test_what_keeps_the_vault_closed_decides_between_later_and_never(
    lab: Lab, target: str, status: int, kind: type[Exception]
) -> None:
    headers = {"Retry-After": "70"} if status in (429, 503) else {}
    lab.stack.faults.add(target, status=status, headers=headers, body={"error": {"code": "x", "message": "y"}})
    mark = lab.stack.audit.mark()
    with pytest.raises(kind):
        works(lab)
    refused = [entry for entry in lab.stack.audit.entries(mark) if entry.status == status]
    assert len(refused) == 1  # azure-core would wait for those 70 seconds, and every other caller with it
    lab.stack.faults.clear()
    assert works(lab)


@pytest.mark.parametrize("body", ["[]", "null", "{}", "7"])
def test_json_of_another_form_from_the_vault_is_an_outage(lab: Lab, body: str) -> None:
    lab.stack.faults.add("vault", status=200, body=body)
    with pytest.raises(ServiceUnavailable):
        works(lab)
    lab.stack.faults.clear()
    assert works(lab)


VAULT_REFUSALS = {
    "role": (403, "Forbidden", "ForbiddenByRbac", "give the identity the role Key Vault Secrets User"),
    "policy": (403, "Forbidden", "ForbiddenByPolicy", "access policy must let the identity get secrets"),
    "firewall": (403, "Forbidden", "ForbiddenByFirewall", "firewall must let this app in"),
    "connection": (403, "Forbidden", "ForbiddenByConnection", "the vault takes private connections alone"),
    "access": (403, "Forbidden", "AccessDenied", "the vault denies the identity access"),
    "disabled": (403, "Forbidden", "SecretDisabled", "the newest version in the vault is disabled"),
    "name": (404, "SecretNotFound", "", "the vault has no certificate of this name"),
    "unknown code": (403, "Forbidden", "secret text of a stranger", "HttpResponseError 403)"),
}


@pytest.mark.parametrize("case", VAULT_REFUSALS)
def test_why_the_vault_refuses_is_told_with_what_to_do(lab: Lab, case: str) -> None:
    status, code, inner, said = VAULT_REFUSALS[case]
    error: dict[str, Any] = {
        "code": code,
        "message": "secret text",
        **({"innererror": {"code": inner}} if inner else {}),
    }
    lab.stack.faults.add("vault", status=status, body={"error": error})
    with pytest.raises(ServerMisconfigured) as refused:
        works(lab)
    assert said in refused.value.reason
    assert "secret text" not in refused.value.reason


@pytest.mark.parametrize("source", ["KeyVault", "SignedAssertionFromVault", "SignedAssertionFromManagedIdentity"])
def test_an_identity_that_is_not_assigned_is_final_and_told_so(lab: Lab, source: str) -> None:
    at = "AzureAd__ClientCredentials__0__"
    known = {name: lab.environ()[f"{at}{name}"] for name in ("KeyVaultUrl", "KeyVaultCertificateName")}
    named = {**(known if source.endswith("Vault") else {}), "ManagedIdentityClientId": str(UUID(int=7))}
    with pytest.raises(ServerMisconfigured, match="400: the identity with this client id is not assigned to the app"):
        works(lab, **lab.credential(source, **named))


@pytest.mark.parametrize("source_type", ["KeyVault", "SignedAssertionFromVault"])
def test_a_laptop_without_a_sign_in_is_told_to_sign_in(source_type: str) -> None:
    source = CredentialSettings(source_type, key_vault_url="https://v.vault.azure.net", key_vault_certificate_name="c")
    assert "type `az login`" in describe(CredentialUnavailableError("secret"), source)
    assert not is_passing(CredentialUnavailableError("secret"), source)


def test_the_vault_is_read_once_for_many_exchanges(lab: Lab) -> None:
    services, mark = lab.services(), lab.stack.audit.mark()
    for person in ("alice", "greta", "olga"):
        lab.me(services, lab.stack.issue_access_token(person))
    assert read_times(lab, mark) == 1


def test_a_certificate_rotated_away_is_replaced_without_a_restart(lab: Lab) -> None:
    services = lab.services()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    lab.stack.rotate_client_certificate(unregister_old=True)
    mark = lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert [entry.status for entry in lab.exchanges(mark)] == [401, 200]


def test_a_credential_that_stays_refused_does_not_hammer_the_vault(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    lab.stack.rotate_client_certificate(register=False, unregister_old=True)
    mark = lab.stack.audit.mark()
    for _ in range(3):
        with pytest.raises(ServerMisconfigured) as raised:
            lab.me(services, lab.stack.issue_access_token("alice"))
        assert "AADSTS700027" in raised.value.reason
    assert read_times(lab, mark) == 2  # the newest version, and the one before it
    lab.stack.rotate_client_certificate()
    lab.clock.forward(RELOAD_COOLDOWN_SECONDS + 1)
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"


def test_a_certificate_that_entra_has_not_heard_of_yet_gives_way_to_the_one_before(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """An instance that starts after the new version was made and before all of Entra knows it."""
    lab.stack.rotate_client_certificate()
    lab.clock.forward(60)  # Key Vault dates versions by the second
    fresh = lab.stack.rotate_client_certificate(register=False)
    services, mark = lab.services(), lab.stack.audit.mark()
    for _ in range(3):
        assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert [entry.status for entry in lab.exchanges(mark)] == [401, 401, 200, 200, 200]
    assert caplog.text.count("using the one before") == 1
    lab.stack.directory.register_certificate(API, fresh)
    lab.clock.forward(RETURN_AFTER_SECONDS + 1)
    lab.me(services, lab.stack.issue_access_token("alice"))
    finish_background_work()
    for old in lab.stack.directory.certificates(API):
        if old is not fresh:
            lab.stack.directory.unregister_certificate(API, old)
    mark = lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"  # the newest, again
    assert [entry.status for entry in lab.exchanges(mark)] == [200]


@pytest.mark.parametrize("ids", ["0f", "f0"], ids=["newest listed last", "newest listed first"])
def test_of_two_certificates_made_in_one_second_the_one_before_is_not_the_newest(lab: Lab, ids: str) -> None:
    """Key Vault dates versions by the second, and lists them in no useful order."""
    vault, name = lab.stack.vault, lab.environ()["AzureAd__ClientCredentials__0__KeyVaultCertificateName"]
    lab.clock.forward(60)
    lab.stack.rotate_client_certificate()
    fresh = lab.stack.rotate_client_certificate(register=False)
    made = zip(vault.versions(name)[-2:], ids, strict=True)
    vault._secrets[name][-2:] = [
        replace(version, version=letter + version.version[1:], created=lab.clock()) for version, letter in made
    ]
    services, mark = lab.services(), lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert [entry.status for entry in lab.exchanges(mark)] == [401, 401, 200]
    lab.stack.directory.register_certificate(API, fresh)


def test_a_new_certificate_is_picked_up_in_time_and_an_outage_then_does_no_harm(lab: Lab) -> None:
    services = lab.services()
    lab.me(services, lab.stack.issue_access_token("alice"))
    lab.stack.faults.add("vault", status=403)
    lab.clock.forward(RELOAD_AFTER_SECONDS + 1)
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"  # kept what it had
    finish_background_work()
    lab.stack.faults.clear()
    fresh = lab.stack.rotate_client_certificate()
    lab.clock.forward(RELOAD_COOLDOWN_SECONDS + 1)
    mark = lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"  # and does not wait for the vault
    finish_background_work()
    assert read_times(lab, mark) == 1
    for old in lab.stack.directory.certificates(API):
        if old is not fresh:
            lab.stack.directory.unregister_certificate(API, old)
    mark = lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert [entry.status for entry in lab.exchanges(mark)] == [200]


def test_without_an_identity_named_the_developers_own_sign_in_is_used(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DefaultAzureCredential, here with its environment variables in place of `az login`."""
    from azure.identity import DefaultAzureCredential

    from shared.exchange.azure_identity import azure_credential

    monkeypatch.setenv("PATH", str(tmp_path))
    with azure_credential("") as credential:
        assert isinstance(credential, DefaultAzureCredential)


@pytest.mark.parametrize(
    "data", [b"", b"not a certificate", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"]
)
def test_bytes_that_hold_no_certificate(data: bytes) -> None:
    with pytest.raises(CertificateError):
        load_certificate(data)


def test_a_wrong_password_and_a_lone_key(certificate: Certificate) -> None:
    with pytest.raises(CertificateError, match="password"):
        load_certificate(certificate.pfx("right"), "wrong")
    with pytest.raises(CertificateError, match="no private key"):
        load_certificate(certificate.pem(with_key=False))
    with pytest.raises(CertificateError, match="together with its certificate"):
        load_certificate(certificate.pem().partition(b"-----BEGIN CERTIFICATE")[0])


def test_vault_and_identity_are_asked_with_our_own_bounds() -> None:
    """azure-core takes timeouts from the transport that it is given, and from nowhere else: 300 seconds by default."""
    with azure_identity.azure_options()["transport"] as transport:
        assert transport.connection_config.timeout == azure_identity.CONNECT_SECONDS
        assert transport.connection_config.read_timeout == azure_identity.READ_SECONDS


def test_the_credential_for_the_vault_is_made_when_a_token_is_asked_for_and_closed_if_it_was_made() -> None:
    """The vault's client sends its first request without a token. Meanwhile azure-identity is imported."""
    events: list[str] = []

    class Identity:
        def __init__(self) -> None:
            events.append("made")

        def get_token(self, scope: str) -> str:
            return f"token for {scope}"

        def close(self) -> None:
            events.append("closed")

    with LateCredential(Identity):
        assert events == []
    with LateCredential(Identity) as late:
        assert [late.get_token("vault"), late.get_token("vault")] == ["token for vault"] * 2
        assert events == ["made"]
    assert events == ["made", "closed"]
