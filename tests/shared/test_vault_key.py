"""SignedAssertionFromVault: the vault signs, its key stays there, and an outage of the vault fails no request."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.requests import Request
from starlette.responses import Response

import emulators.vault_certificates
import emulators.vault_keys
from emulators.applications import API, API_ID, API_IDENTITY
from emulators.certificates import issue_certificate
from emulators.people import CONTOSO, FABRIKAM
from emulators.requests_io import json_reply
from shared.errors import ApiError, ServerMisconfigured, ServiceUnavailable
from shared.exchange.credential import RELOAD_AFTER_SECONDS, RETURN_AFTER_SECONDS
from shared.exchange.credential_assertions import (
    ASSERTION_SECONDS,
    CLOCK_STEP_SECONDS,
    MAX_ASSERTIONS,
    RENEW_ASSERTION_AFTER_SECONDS,
    USE_ASSERTION_SECONDS,
    SignedAssertions,
)
from shared.exchange.credential_sources import load_client_credential
from shared.net.deadline import within
from shared.services import Services
from shared.settings import CredentialSettings
from shared.settings.settings import Settings
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once, finish_background_work, said_by

NAME = "api-client"
TOKEN_ENDPOINT = f"https://login.microsoftonline.com/{CONTOSO}/oauth2/v2.0/token"
OTHER_ENDPOINT = f"https://login.microsoftonline.com/{FABRIKAM}/oauth2/v2.0/token"
VAULT = "https://obo-local.vault.azure.net"
SOURCE = CredentialSettings("SignedAssertionFromVault", key_vault_url=VAULT, key_vault_certificate_name=NAME)


class Sealed:
    """The lab, with a vault that signs and a key that is not exportable."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.sent = lab, list[dict[str, Any]]()
        at = "AzureAd__ClientCredentials__0__"
        known = {name.removeprefix(at): value for name, value in lab.environ().items() if name.startswith(at)}
        del known["SourceType"]
        self.settings = lab.credential("SignedAssertionFromVault", **known)

    def services(self) -> Services:
        return self.lab.services(**self.settings)

    def works(self, services: Services | None = None) -> bool:
        """Whether an exchange succeeds, for a token that no session knows yet."""
        return self.lab.me(services or self.services(), self.lab.stack.issue_access_token("alice")) == "Alice Ahlberg"

    def signatures(self, since: int) -> int:
        return sum(entry.status == 200 for entry in self.lab.seen(since, "sign"))

    def vault_requests(self, since: int) -> list[str]:
        """What the vault was asked for, without the challenge of the first request."""
        return [e.action for e in self.lab.stack.audit.entries(since) if e.service == "vault" and e.status != 401]

    def note(self, service: str, _: Request, body: bytes) -> None:
        """Keeps the client assertion of each token request, decoded."""
        form = parse_qs(body.decode()) if service == "entra" else {}
        for assertion in form.get("client_assertion", ()):
            header, claims, _signature = assertion.split(".")
            self.sent.append({"text": assertion, "header": _part(header), "claims": _part(claims)})


def _part(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.fixture
def sealed(lab: Lab) -> Iterator[Sealed]:
    with _sealed(lab) as sealed:
        yield sealed


@pytest.fixture
def sealed_for_several(several: Lab) -> Iterator[Sealed]:
    """The same for an API of several tenants."""
    with _sealed(several) as sealed:
        yield sealed


@contextmanager
def _sealed(lab: Lab) -> Iterator[Sealed]:
    vault, principal = lab.stack.vault, API_IDENTITY.principal_id
    result = Sealed(lab)
    vault.readers.clear()
    vault.crypto_users.add(principal)
    vault.metadata_readers.add(principal)
    vault.set_exportable(NAME, False)
    lab.stack.recording.arrived = result.note
    yield result
    finish_background_work()
    lab.stack.recording.arrived = None
    lab.stack.faults.clear()
    vault.readers.add(principal)
    vault.crypto_users.clear()
    vault.metadata_readers.clear()
    lab.stack.rotate_client_certificate(unregister_old=True)  # whatever became of the last one
    vault.set_exportable(NAME, True)


def test_entra_accepts_what_the_vault_signed(sealed: Sealed) -> None:
    mark, certificate = sealed.lab.stack.audit.mark(), sealed.lab.stack.client_certificate
    assert sealed.works()
    assert sealed.vault_requests(mark) == ["certificate", "sign"]
    (sent,) = sealed.sent
    assert sent["header"] == {"alg": "PS256", "typ": "JWT", "x5t#S256": certificate.x5t_s256}
    claims = sent["claims"]
    assert (claims["aud"], claims["iss"], claims["sub"]) == (TOKEN_ENDPOINT, API_ID, API_ID)
    assert claims["exp"] - claims["iat"] == ASSERTION_SECONDS
    assert claims["nbf"] == claims["iat"]
    assert len(claims["jti"]) == 36


def test_the_private_key_is_never_in_the_process(sealed: Sealed) -> None:
    """A process of its own: this one has the emulators' keys. No library may even parse a private key there."""
    program = """
import gc, os
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

def refuse(*_, **__):
    raise AssertionError("a private key is loaded")

serialization.load_pem_private_key = serialization.load_der_private_key = refuse
pkcs12.load_key_and_certificates = pkcs12.load_pkcs12 = rsa.generate_private_key = refuse
from shared.services import Services
from shared.settings.settings import Settings
from shared.user.user import User
services = Services(Settings.from_environ(os.environ))
services.load_early()
scopes = ["https://graph.microsoft.com/.default"]
authority = services.settings.authority
token = services.entra.exchange(os.environ["CALLER"], scopes, authority=authority, correlation_id="")
seen, rest = set(), gc.get_objects()
found = 0
while rest:
    one = rest.pop()
    if id(one) not in seen:
        seen.add(id(one))
        found += isinstance(one, rsa.RSAPrivateKey)
        found += isinstance(one, (str, bytes)) and len(one) > 999 and "PRIVATE KEY" in str(one)[:99]
        rest.extend(gc.get_referents(one))
print(len(token.token) > 100, found)
"""
    lab, mark = sealed.lab, sealed.lab.stack.audit.mark()
    lab.clock.at, moved = 0.0, lab.clock.at  # that process has the real time
    try:
        caller = lab.stack.issue_access_token("alice")
        lab.stack.rotate_client_certificate()
        environ = {name: value for name, value in lab.environ(**sealed.settings).items() if value}
        assert said_by(program, {**environ, "CALLER": caller}) == "True 0\n"
    finally:
        lab.clock.at = moved
    assert sealed.vault_requests(mark) == ["certificate", "sign"]


def test_signatures_per_hundred_exchanges(sealed: Sealed) -> None:
    """The figures of docs/performance.md."""
    services, mark = sealed.services(), sealed.lab.stack.audit.mark()
    for _ in range(100):
        assert sealed.works(services)
    assert sealed.signatures(mark) == 1
    mark = sealed.lab.stack.audit.mark()
    for _ in range(100):  # now over an hour
        sealed.lab.clock.forward(36)
        assert sealed.works(services)
        finish_background_work()
    assert sealed.signatures(mark) == 11
    assert len(sealed.lab.exchanges(mark)) == 100


def test_a_first_crowd_needs_one_signature(sealed: Sealed) -> None:
    services, mark = sealed.services(), sealed.lab.stack.audit.mark()
    assert all(at_once(32, lambda _: sealed.works(services)))
    assert sealed.signatures(mark) == 1
    sealed.lab.clock.forward(USE_ASSERTION_SECONDS)
    assert all(at_once(32, lambda _: sealed.works(services)))
    assert sealed.signatures(mark) == 2


def test_the_credential_is_loaded_and_signs_before_the_first_exchange(sealed: Sealed) -> None:
    services, mark = sealed.services(), sealed.lab.stack.audit.mark()
    services.load_early()
    finish_background_work()
    assert sealed.vault_requests(mark) == ["certificate", "sign"]
    mark = sealed.lab.stack.audit.mark()
    assert sealed.works(services)
    assert sealed.vault_requests(mark) == []


def test_a_new_assertion_is_signed_while_the_old_one_still_serves(sealed: Sealed) -> None:
    services = sealed.services()
    sealed.works(services)
    sealed.lab.clock.forward(RENEW_ASSERTION_AFTER_SECONDS + 1)
    assert sealed.works(services)
    finish_background_work()
    assert sealed.works(services)
    first, second, third = (one["text"] for one in sealed.sent)
    assert first == second
    assert second != third


@pytest.mark.parametrize(
    "outage", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "7"}}, {"network": "refused"}]
)
def test_a_vault_that_is_down_for_four_and_a_half_minutes_fails_no_request(
    sealed: Sealed, outage: dict[str, Any]
) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.clock.forward(RENEW_ASSERTION_AFTER_SECONDS - 1)  # the worst moment: just before the next signature
    sealed.works(services)
    lab.stack.faults.add("vault", **outage)
    mark = lab.stack.audit.mark()
    for _ in range(27):
        lab.clock.forward(10)
        assert sealed.works(services)
        finish_background_work()
    assert sealed.signatures(mark) == 0
    assert {entry.status for entry in lab.exchanges(mark)} == {200}
    lab.stack.faults.clear()
    lab.clock.forward(15)
    assert sealed.works(services)
    finish_background_work()
    assert sealed.signatures(mark) == 1
    lab.clock.forward(200)
    assert sealed.works(services)


def test_after_that_the_failure_is_told_and_ends_with_the_outage(
    sealed: Sealed, caplog: pytest.LogCaptureFixture
) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.stack.faults.add("vault", status=503, headers={"Retry-After": "7"})
    lab.clock.forward(USE_ASSERTION_SECONDS)
    mark = lab.stack.audit.mark()
    with pytest.raises(ServiceUnavailable) as raised:
        sealed.works(services)
    assert raised.value.retry_after == 7
    assert "no client assertion (SignedAssertionFromVault: HttpResponseError 503" in raised.value.reason
    assert lab.exchanges(mark) == []
    with pytest.raises(ServiceUnavailable, match="asked to wait"):
        sealed.works(services)
    assert len(lab.seen(mark, "sign")) == 1  # the pause is kept
    lab.stack.faults.clear()
    lab.clock.forward(8)
    assert sealed.works(services)
    assert "no new assertion signed (HttpResponseError 503" in caplog.text


def test_a_vault_that_stays_down_is_asked_less_and_less(sealed: Sealed) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.stack.faults.add("vault", status=503)
    lab.clock.forward(USE_ASSERTION_SECONDS)
    mark = lab.stack.audit.mark()
    for _ in range(60):
        with pytest.raises(ServiceUnavailable):
            sealed.works(services)
        lab.clock.forward(1)
    assert len(lab.seen(mark, "sign")) == 13  # five, then after 1, 2, 4, 8, 10 … seconds
    lab.stack.faults.clear()
    lab.clock.forward(11)
    assert sealed.works(services)


def test_a_request_waits_for_a_slow_signature_no_longer_than_its_deadline(sealed: Sealed) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.clock.forward(USE_ASSERTION_SECONDS)
    lab.stack.faults.add("vault", network="hang")
    with within(0.2, lab.clock), pytest.raises(ServiceUnavailable):
        sealed.works(services)
    lab.stack.faults.clear()
    finish_background_work()


@pytest.mark.parametrize("network", ["hang", "drip-headers", "drip-body"])
def test_a_vault_that_is_slow_delays_no_request(sealed: Sealed, network: str) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.clock.forward(RENEW_ASSERTION_AFTER_SECONDS + 1)
    lab.stack.faults.add("vault", network=network)
    mark = lab.stack.audit.mark()
    assert sealed.works(services)
    assert sealed.works(services)  # the signature is still on its way
    lab.stack.faults.clear()
    finish_background_work()
    assert [entry.status for entry in lab.exchanges(mark)] == [200, 200]
    assert len({sent["text"] for sent in sealed.sent}) == 1


def test_an_identity_that_is_down_stops_no_signature(sealed: Sealed) -> None:
    """Its token is good for a day."""
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.stack.faults.add("identity", status=500)
    lab.clock.forward(USE_ASSERTION_SECONDS)
    assert sealed.works(services)


def test_a_certificate_rotated_away_is_replaced_without_a_restart(sealed: Sealed) -> None:
    services = sealed.services()
    assert sealed.works(services)
    sealed.lab.stack.rotate_client_certificate(unregister_old=True)
    mark = sealed.lab.stack.audit.mark()
    assert sealed.works(services)
    assert [entry.status for entry in sealed.lab.exchanges(mark)] == [401, 200]
    assert sealed.vault_requests(mark) == ["certificate", "sign"]


def test_a_certificate_that_entra_has_not_heard_of_yet_gives_way_to_the_one_before(sealed: Sealed) -> None:
    lab = sealed.lab
    lab.clock.forward(60)  # Key Vault dates versions by the second
    lab.stack.rotate_client_certificate()
    lab.clock.forward(60)
    fresh = lab.stack.rotate_client_certificate(register=False)
    services, mark = sealed.services(), lab.stack.audit.mark()
    for _ in range(3):
        assert sealed.works(services)
    assert [entry.status for entry in lab.exchanges(mark)] == [401, 401, 200, 200, 200]
    lab.stack.directory.register_certificate(API, fresh)
    lab.clock.forward(RETURN_AFTER_SECONDS + 1)
    assert sealed.works(services)
    finish_background_work()
    sealed.sent.clear()
    assert sealed.works(services)
    assert sealed.sent[0]["header"]["x5t#S256"] == fresh.x5t_s256


def test_a_reload_without_a_new_version_keeps_every_assertion(sealed: Sealed) -> None:
    """Otherwise a vault that went down just after it would fail the requests of other tenants."""
    services, lab = sealed.services(), sealed.lab
    assert sealed.works(services)
    clients = services.entra.of(services.settings.authority)._clients
    client = clients.get()
    lab.clock.forward(RELOAD_AFTER_SECONDS + 1)
    mark = lab.stack.audit.mark()
    clients.get()
    finish_background_work()
    assert sealed.vault_requests(mark) == ["certificate", "sign"]
    assert clients.get() is client
    lab.stack.rotate_client_certificate()
    lab.clock.forward(RELOAD_AFTER_SECONDS + 1)
    clients.get()
    finish_background_work()
    assert clients.get() is not client


@pytest.mark.parametrize("source", ["KeyVault", "SignedAssertionFromVault"])
def test_when_the_newest_version_is_disabled_the_one_before_is_used(
    sealed: Sealed, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab = sealed.lab
    if source == "KeyVault":
        lab.stack.vault.readers.add(API_IDENTITY.principal_id)
        lab.stack.vault.set_exportable(NAME, True)
    lab.clock.forward(60)
    lab.stack.rotate_client_certificate(register=False)
    lab.stack.vault.set_enabled(NAME, False)
    settings = {**sealed.settings, "AzureAd__ClientCredentials__0__SourceType": source}
    assert sealed.works(lab.services(**settings))
    levels = {r.levelno for r in caplog.records if "newest version in the vault is disabled" in r.getMessage()}
    assert levels == {logging.WARNING}


@pytest.mark.parametrize("source", ["KeyVault", "SignedAssertionFromVault"])
def test_when_every_version_is_disabled_that_is_told(sealed: Sealed, source: str) -> None:
    vault = sealed.lab.stack.vault
    vault.readers.add(API_IDENTITY.principal_id)
    for one in vault.versions(NAME):
        vault.change(NAME, one.version, enabled=False)
    settings = {**sealed.settings, "AzureAd__ClientCredentials__0__SourceType": source}
    with pytest.raises(ServerMisconfigured, match="the vault has no enabled version"):
        sealed.works(sealed.lab.services(**settings))


def test_a_version_disabled_while_it_is_in_use_gives_way_to_another(sealed: Sealed) -> None:
    lab = sealed.lab
    lab.clock.forward(60)
    lab.stack.rotate_client_certificate()
    services = sealed.services()
    assert sealed.works(services)
    lab.stack.vault.set_enabled(NAME, False)
    lab.clock.forward(USE_ASSERTION_SECONDS)
    mark = lab.stack.audit.mark()
    assert sealed.works(services)
    assert [entry.status for entry in lab.exchanges(mark)] == [200]


@pytest.mark.parametrize(
    ("made_before", "level", "said"),
    [(334, logging.INFO, "valid to"), (340, logging.WARNING, "ends in 2"), (366, logging.ERROR, "ended on")],
)
def test_a_certificate_near_its_end_is_told_to_the_operator(
    sealed: Sealed, caplog: pytest.LogCaptureFixture, made_before: int, level: int, said: str
) -> None:
    caplog.set_level(logging.INFO, "shared")
    lab = sealed.lab
    old = issue_certificate(NAME, lab.clock() - made_before * 86_400, 365)
    lab.stack.vault.put_certificate(NAME, old)
    lab.stack.directory.register_certificate(API, old)
    if level == logging.ERROR:
        with pytest.raises(ServerMisconfigured, match="its time is over"):
            sealed.works()
    else:
        assert sealed.works()
    lines = [r for r in caplog.records if "certificate from SignedAssertionFromVault" in r.getMessage()]
    assert {line.levelno for line in lines} == {level}
    assert all(said in line.getMessage() for line in lines)


REFUSALS = {
    "no role to sign": ("crypto_users", "give the identity the roles Key Vault Crypto User and Key Vault Reader"),
    "no role to read": ("metadata_readers", "give the identity the roles Key Vault Crypto User and Key Vault Reader"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_role_that_is_missing_is_named(sealed: Sealed, case: str) -> None:
    role, said = REFUSALS[case]
    getattr(sealed.lab.stack.vault, role).clear()
    with pytest.raises(ServerMisconfigured, match=said):
        sealed.works()


@pytest.mark.parametrize(
    ("status", "code", "inner", "said"),
    [
        (403, "Forbidden", "ForbiddenByFirewall", "403 ForbiddenByFirewall: the vault's firewall must let this app in"),
        (403, "Forbidden", "ForbiddenByConnection", "403 ForbiddenByConnection: the vault takes private connections"),
        (403, "Forbidden", "ForbiddenByPolicy", "must let the identity get certificates, get keys, and sign"),
        (403, "Forbidden", "AccessDenied", "403 AccessDenied: the vault denies the identity access"),
        (403, "Forbidden", "words of a stranger", "HttpResponseError 403: "),
        (404, "CertificateNotFound", "", "404 CertificateNotFound: the vault has no certificate of this name"),
    ],
)
def test_why_the_vault_refuses_is_told_in_fixed_words(
    sealed: Sealed, status: int, code: str, inner: str, said: str
) -> None:
    body = {"error": {"code": code, "message": "secret text", **({"innererror": {"code": inner}} if inner else {})}}
    sealed.lab.stack.faults.add("vault", status=status, body=body)
    with pytest.raises(ServerMisconfigured) as refused:
        sealed.works()
    assert said in refused.value.reason
    assert "secret text" not in refused.value.reason
    assert "stranger" not in refused.value.reason


def test_a_certificate_that_is_not_there_is_told(sealed: Sealed) -> None:
    sealed.settings["AzureAd__ClientCredentials__0__KeyVaultCertificateName"] = "nothing"
    with pytest.raises(ServerMisconfigured, match="the vault has no certificate of this name"):
        sealed.works()


@pytest.mark.parametrize(
    ("package", "named"),
    [
        ("azure.keyvault.keys", "azure-keyvault-keys"),
        ("azure.keyvault", "azure-keyvault-keys"),
        ("azure.identity", "azure-identity"),
    ],
)
def test_a_package_that_is_missing_is_named(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, package: str, named: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(("azure.keyvault", "shared.exchange.credential_vau"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ServerMisconfigured, match=f"the package {named} is not installed, put it into requirements"):
        sealed.works()


def test_the_next_source_is_tried_when_the_vault_does_not_sign(
    sealed: Sealed, caplog: pytest.LogCaptureFixture
) -> None:
    sealed.lab.stack.vault.crypto_users.clear()
    at, value = "AzureAd__ClientCredentials__1__", base64.b64encode(sealed.lab.stack.client_certificate.pfx()).decode()
    sealed.settings.update({at + "SourceType": "Base64Encoded", at + "Base64EncodedValue": value})
    assert sealed.works()
    assert "SignedAssertionFromVault could not be loaded (HttpResponseError 403 ForbiddenByRbac" in caplog.text


@pytest.mark.parametrize("form", ["application/x-pem-file", "application/x-pkcs12"])
def test_a_key_that_is_not_exportable_is_no_certificate_to_read(sealed: Sealed, form: str) -> None:
    sealed.lab.stack.vault.readers.add(API_IDENTITY.principal_id)
    sealed.lab.stack.vault.set_content_type(NAME, form)
    with pytest.raises(ServerMisconfigured) as raised:
        sealed.works(sealed.lab.services())
    sealed.lab.stack.vault.set_content_type(NAME, "application/x-pkcs12")
    assert "no private key (not exportable?)" in raised.value.reason
    assert "SignedAssertionFromVault" in raised.value.reason


# What a vault can say that is wrong. The credential is not loaded, and nothing of it reaches Entra.
OTHER = issue_certificate("other", 1_700_000_000.0)
FOREIGN = {"id": f"https://evil.vault.azure.net/certificates/{NAME}/", "kid": f"https://evil.example/keys/{NAME}/"}
TAMPERED: dict[str, tuple[str, dict[str, Any], str]] = {
    "garbage for a signature": ("sign", {"value": "AAAA"}, "does not fit"),
    "no signature": ("sign", {"value": None}, "does not fit"),
    "a number for a signature": ("sign", {"value": 7}, ""),
    "another certificate's key": ("certificate", {"cer": base64.b64encode(OTHER.der).decode()}, "does not fit"),
    "a key of another vault": ("certificate", {"kid": FOREIGN["kid"]}, "of another place"),
    "a certificate of another vault": ("certificate", {"id": FOREIGN["id"]}, "of another place"),
    "a key of another name": ("certificate", {"kid": f"{VAULT}/keys/other/"}, "of another place"),
    "no certificate": ("certificate", {"cer": None}, "no certificate with an RSA key"),
    "no base64": ("certificate", {"cer": "!"}, "no certificate with an RSA key"),
    "no attributes": ("certificate", {"attributes": None}, "no certificate with an RSA key"),
    "no id": ("certificate", {"id": None}, "no certificate with an RSA key"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_response_that_is_wrong_goes_no_further(sealed: Sealed, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    which, changes, said = TAMPERED[case]
    module = emulators.vault_keys if which == "sign" else emulators.vault_certificates

    def tampered(body: dict[str, Any], *rest: Any) -> Response:
        version = str(body.get("id") or "").rpartition("/")[2]
        ours = {name: f"{v}{version}" if str(v).endswith("/") else v for name, v in changes.items()}
        return json_reply({**body, **ours}, *rest)

    monkeypatch.setattr(module, "json_reply", tampered)
    mark = sealed.lab.stack.audit.mark()
    with pytest.raises(ApiError) as raised:
        sealed.works()
    assert raised.value.status in (500, 503)
    assert said in raised.value.reason
    assert sealed.lab.exchanges(mark) == []


@pytest.mark.parametrize("when", ["at the load", "later"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, "null"),
        (200, "{}"),
        (200, b"\xff\xfe"),
        (200, "[" * 50_000),
        (204, None),
        (200, {"value": ["x"], "kid": 7, "id": 7, "cer": 7}),
        (200, {"value": "A" * 2_000_000}),
        (400, {"error": "text"}),
        (400, {"error": {"code": ["x"], "innererror": "text"}}),
        (409, "[]"),
        (503, "null"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_response_that_makes_no_sense_is_an_error_of_ours(
    sealed: Sealed, status: int, body: object, when: str
) -> None:
    services, lab = sealed.services(), sealed.lab
    if when == "later":
        sealed.works(services)
        lab.clock.forward(USE_ASSERTION_SECONDS)
    lab.stack.faults.add("vault", status=status, body=body)
    mark = lab.stack.audit.mark()
    with pytest.raises(ApiError) as raised:
        sealed.works(services)
    wanted = 500 if status in (400, 409) else 503
    assert raised.value.status == wanted
    assert lab.exchanges(mark) == []
    lab.stack.faults.clear()
    lab.clock.forward(15)
    assert sealed.works(services)


def test_a_signature_by_another_algorithm_is_noticed(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = emulators.vault_keys._what_to_sign
    monkeypatch.setattr(emulators.vault_keys, "_what_to_sign", lambda body: asked({**body, "alg": "RS256"}))
    with pytest.raises(ServiceUnavailable, match="does not fit the certificate"):
        sealed.works()


def test_a_certificate_renewed_between_read_and_sign_still_fits(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is part of the request, so the key that signs is that of the certificate that was read."""
    lab, asked = sealed.lab, emulators.vault_keys._what_to_sign

    def renewed(body: dict[str, Any]) -> Any:
        lab.stack.vault.put_certificate(NAME, issue_certificate(NAME, lab.clock()))
        return asked(body)

    monkeypatch.setattr(emulators.vault_keys, "_what_to_sign", renewed)
    assert sealed.works()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "https://graph.microsoft.com/v1.0/me"}),
        (307, {"Location": "https://graph.microsoft.com/v1.0/me"}),
        (
            401,
            {
                "WWW-Authenticate": 'Bearer authorization="https://evil.example/x", resource="https://graph.microsoft.com"'
            },
        ),
        (401, {"WWW-Authenticate": 'Bearer authorization="https://evil.example/x", resource="https://evil.example"'}),
    ],
)
def test_the_vaults_token_goes_to_the_named_vault_alone(sealed: Sealed, status: int, headers: dict[str, str]) -> None:
    services, lab = sealed.services(), sealed.lab
    sealed.works(services)
    lab.clock.forward(USE_ASSERTION_SECONDS)
    lab.stack.faults.add("vault", status=status, headers=headers)
    mark = lab.stack.audit.mark()
    with pytest.raises(ApiError) as raised:
        sealed.works(services)
    assert raised.value.status in (500, 503)
    assert {entry.service for entry in lab.stack.audit.entries(mark)} <= {"vault", "gateway"}


def test_a_list_of_versions_that_goes_on_elsewhere_takes_no_token_along(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = sealed.lab
    lab.stack.vault.set_enabled(NAME, False)  # so the versions are listed

    def elsewhere(_: Request, items: list[dict[str, object]]) -> dict[str, object]:
        return {"value": items, "nextLink": "https://graph.microsoft.com/v1.0/me?api-version=7.6"}

    monkeypatch.setattr(emulators.vault_keys, "page_of", elsewhere)
    mark = lab.stack.audit.mark()
    with pytest.raises(ApiError):
        sealed.works()
    asked = [entry for entry in lab.stack.audit.entries(mark) if entry.service == "graph"]
    assert asked
    assert all("bearer" not in entry.details for entry in asked)


def test_one_assertion_per_token_endpoint(sealed: Sealed) -> None:
    mark = sealed.lab.stack.audit.mark()
    settings = Settings.from_environ(sealed.lab.environ(**sealed.settings))
    credential = load_client_credential(settings.client.credentials, sealed.lab.clock, settings.authority)
    provider: Any = credential.for_msal()
    endpoints = [TOKEN_ENDPOINT, OTHER_ENDPOINT] * 3
    texts = [provider["client_assertion"]({"token_endpoint": endpoint, "client_id": API_ID}) for endpoint in endpoints]
    assert [_part(text.split(".")[1])["aud"] for text in texts] == endpoints
    assert len(set(texts)) == 2
    assert sealed.signatures(mark) == 2


def test_every_tenant_gets_assertions_of_its_own(sealed_for_several: Sealed) -> None:
    sealed, lab = sealed_for_several, sealed_for_several.lab
    services, mark = sealed.services(), lab.stack.audit.mark()
    people = {"alice": CONTOSO, "frida": FABRIKAM}

    def everybody() -> None:
        for person in people:
            assert lab.me(services, lab.stack.issue_access_token(person))

    for _ in range(5):
        everybody()
    endpoints = {f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token" for tenant in people.values()}
    assert {sent["claims"]["aud"] for sent in sealed.sent} == endpoints
    assert len({sent["text"] for sent in sealed.sent}) == 2
    assert sealed.signatures(mark) == 3  # one more proves at the start that the vault signs
    lab.clock.forward(RENEW_ASSERTION_AFTER_SECONDS - 1)
    everybody()
    lab.stack.faults.add("vault", status=503)
    for _ in range(27):  # four and a half minutes
        lab.clock.forward(10)
        everybody()
        finish_background_work()
    lab.stack.faults.clear()
    lab.stack.rotate_client_certificate(unregister_old=True)
    everybody()


class Signer:
    """Counts its signatures; fails while `down`."""

    def __init__(self) -> None:
        self.asked, self.down = list[str](), False

    def __call__(self, endpoint: str, issued: float) -> str:
        self.asked.append(endpoint)
        if self.down:
            raise ConnectionError("secret text")
        return f"{endpoint} {issued:.0f} {len(self.asked)}"


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def assertions(signer: Signer, clock: Clock) -> SignedAssertions:
    return SignedAssertions(signer, SOURCE, clock)


@pytest.mark.parametrize(
    ("back", "same"), [(1, True), (CLOCK_STEP_SECONDS, True), (CLOCK_STEP_SECONDS + 1, False), (86_400, False)]
)
def test_a_clock_that_is_set_back(
    assertions: SignedAssertions, signer: Signer, clock: Clock, back: float, same: bool
) -> None:
    """An assertion that is not valid yet is replaced; one that was dated a little ahead lives no longer for it."""
    first = assertions.get("a")
    clock.forward(-back)
    assert (assertions.get("a") == first) is same
    assert len(signer.asked) == (1 if same else 2)


def test_a_clock_that_is_set_back_during_a_pause_ends_it(
    assertions: SignedAssertions, signer: Signer, clock: Clock
) -> None:
    assertions._busy_until = clock() + 30
    with pytest.raises(ServiceUnavailable):
        assertions.get("a")
    clock.forward(-3600)
    assert assertions.get("a")


def test_a_clock_that_is_set_forward(assertions: SignedAssertions, signer: Signer, clock: Clock) -> None:
    first = assertions.get("a")
    clock.forward(86_400)
    assert assertions.get("a") != first


def test_the_number_of_assertions_is_bounded(assertions: SignedAssertions, signer: Signer) -> None:
    for number in range(MAX_ASSERTIONS):
        assertions.get(str(number))
    assertions.get("0")  # now "1" was not used for longest
    assertions.get("one more")
    assert len(assertions._assertions) == MAX_ASSERTIONS
    asked = len(signer.asked)
    assertions.get("0")
    assert len(signer.asked) == asked
    assertions.get("1")
    assert len(signer.asked) == asked + 1


def test_an_outage_starts_no_thread_for_each_request(
    assertions: SignedAssertions, signer: Signer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, signer.down, started = assertions.get("a"), True, list[str]()
    usual = assertions._flights.run_in_background

    def counted(key: str, work: Callable[[], str]) -> Any:
        started.append(key)
        return usual(key, work)

    monkeypatch.setattr(assertions._flights, "run_in_background", counted)
    clock.forward(RENEW_ASSERTION_AFTER_SECONDS + CLOCK_STEP_SECONDS)
    for _ in range(200):  # 20 seconds
        clock.forward(0.1)
        assert assertions.get("a") == first
        finish_background_work()
    assert 8 <= len(started) <= 11
    assert 5 <= len(signer.asked) <= 9
    clock.forward(-CLOCK_STEP_SECONDS)  # the pause, and the open circuit, do not outlive a clock that is set back
    signer.down = False
    assertions.get("a")
    finish_background_work()
    assert assertions.get("a") != first


def test_a_failure_of_one_tenant_is_not_anothers(assertions: SignedAssertions, signer: Signer, clock: Clock) -> None:
    kept = assertions.get("a")
    signer.down = True
    with pytest.raises(ServerMisconfigured, match="ConnectionError") as raised:  # not an error of Azure's libraries
        assertions.get("b")
    assert "secret text" not in raised.value.reason
    assert assertions.get("a") == kept
