"""The vault's certificates, managed with Microsoft's own client by an identity that cannot read a private key."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.certificates import CertificateClient, CertificatePolicy, KeyType
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulators.applications import API_IDENTITY, CERTIFICATE_IDENTITY, VAULT_URI, ManagedIdentity
from emulators.stack import Stack

from .support import Clock, Http

VAULT = "https://obo-local.vault.azure.net"
POLICY = {
    "issuer": {"name": "Self"},
    "key_props": {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False},
    "secret_props": {"contentType": "application/x-pem-file"},
    "x509_props": {"subject": "CN=by-hand", "validity_months": 12},
}


class Identity:
    """A credential for the clients: tokens of one managed identity."""

    def __init__(self, stack: Stack, identity: ManagedIdentity) -> None:
        self._stack, self._identity = stack, identity

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://vault.azure.net/.default",)
        return AccessToken(self.token(), 2**31)

    def token(self) -> str:
        return self._stack.entra.identity_token(VAULT_URI, 3600, self._identity)


def transport(http: Http) -> RequestsTransport:
    return RequestsTransport(session=http.session, session_owner=False, connection_verify=http.session.verify)


@pytest.fixture
def officer(own: Http) -> Any:
    """The client of an identity with Key Vault Certificates Officer. Any, because most of its results may be None."""
    return CertificateClient(VAULT, Identity(own.stack, CERTIFICATE_IDENTITY), transport=transport(own))


@pytest.fixture
def reader(own: Http) -> Iterator[SecretClient]:
    """The API's client."""
    with SecretClient(VAULT, Identity(own.stack, API_IDENTITY), transport=transport(own)) as client:
        yield client


def policy(**changes: Any) -> CertificatePolicy:
    usual: dict[str, Any] = {
        "subject": "CN=made-here",
        "key_type": KeyType.rsa,
        "key_size": 2048,
        "content_type": "application/x-pem-file",
        "validity_in_months": 12,
    }
    return CertificatePolicy("Self", **{**usual, **changes})


def call(http: Http, method: str, path: str, body: object = None) -> requests.Response:
    token = Identity(http.stack, CERTIFICATE_IDENTITY).token()
    headers = {"Authorization": f"Bearer {token}"}
    return http.session.request(
        method, f"{VAULT}{path}?api-version=7.6", json=body, headers=headers, timeout=10, allow_redirects=False
    )


def test_a_certificate_is_made_to_its_policy(officer: Any, reader: SecretClient, clock: Clock) -> None:
    made = officer.begin_create_certificate("made-here", policy(), tags={"rotation": "first"}).result()
    certificate = x509.load_der_x509_certificate(bytes(made.cer))

    assert certificate.subject.rfc4514_string() == "CN=made-here"
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert 365 <= lifetime.days <= 366
    assert abs(certificate.not_valid_before_utc.timestamp() - (clock() - 600)) < 60
    assert made.properties.tags == {"rotation": "first"}
    assert made.properties.x509_thumbprint == certificate.fingerprint(hashes.SHA1())  # noqa: S303 - Key Vault's own
    assert made.policy.content_type == "application/x-pem-file"

    secret = reader.get_secret("made-here")
    assert secret.properties.content_type == "application/x-pem-file"
    key = load_pem_private_key(str(secret.value).encode(), None)
    assert key.public_key() == certificate.public_key()


def test_another_client_reads_the_certificate_and_its_policy_before_the_secret(own: Http) -> None:
    """So does the vault source of Microsoft.Identity.Web: it wants to know whether the key may leave the vault."""
    client = CertificateClient(VAULT, Identity(own.stack, API_IDENTITY), transport=transport(own))
    found = client.get_certificate("api-client")
    assert bytes(found.cer or b"") == own.stack.client_certificate.der
    assert found.policy is not None
    assert (found.policy.exportable, found.policy.content_type) == (True, "application/x-pkcs12")
    assert client.get_certificate_policy("api-client").exportable is True
    with pytest.raises(HttpResponseError) as raised:  # it may read, and no more
        client.begin_create_certificate("made-here", policy())
    assert raised.value.status_code == 403


def test_without_the_role_certificate_user_certificates_are_closed_to_the_api(stack: Stack, own: Http) -> None:
    stack.vault.certificate_users.clear()
    stack.vault.metadata_readers.clear()
    client = CertificateClient(VAULT, Identity(stack, API_IDENTITY), transport=transport(own))
    with pytest.raises(HttpResponseError) as raised:
        client.get_certificate("api-client")
    assert raised.value.status_code == 403


def test_the_operation_takes_its_time(stack: Stack, own: Http) -> None:
    stack.vault.certificate_service.polls_until_done = 2
    begun = call(own, "POST", "/certificates/slow/create", {"policy": POLICY})
    assert (begun.status_code, begun.json()["status"]) == (202, "inProgress")
    assert begun.headers["location"].startswith(f"{VAULT}/certificates/slow/pending")
    again = call(own, "POST", "/certificates/slow/create", {"policy": POLICY})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "Conflict")
    assert call(own, "GET", "/certificates/slow").status_code == 404

    states = [call(own, "GET", "/certificates/slow/pending").json() for _ in range(3)]
    assert [state["status"] for state in states] == ["inProgress", "inProgress", "completed"]
    assert {state["request_id"] for state in states} == {begun.json()["request_id"]}
    assert states[-1]["target"] == f"{VAULT}/certificates/slow"
    assert call(own, "GET", "/certificates/slow").json()["id"].startswith(f"{VAULT}/certificates/slow/")


def test_versions_in_pages(officer: Any, clock: Clock) -> None:
    made = []
    for tag in ("first", "second", "third"):
        made.append(officer.begin_create_certificate("paged", policy(), tags={"rotation": tag}).result())
        clock.ahead += 60
    pages = list(officer.list_properties_of_certificate_versions("paged", max_page_size=2).by_page())
    listed = [version for page in [list(page) for page in pages] for version in page]

    assert len({version.version for version in listed}) == 3
    newest_last = sorted(listed, key=lambda version: str(version.created_on))
    assert [version.tags["rotation"] for version in newest_last if version.tags] == ["first", "second", "third"]
    assert [version.version for version in newest_last] == [one.properties.version for one in made]

    one = officer.get_certificate_version("paged", str(made[0].properties.version))
    assert one.cer == made[0].cer
    assert officer.get_certificate("paged").cer == made[2].cer
    assert {certificate.name for certificate in officer.list_properties_of_certificates()} == {"api-client", "paged"}


def test_tags_and_state_of_a_version_change(officer: Any, reader: SecretClient, clock: Clock) -> None:
    version = str(officer.begin_create_certificate("changing", policy()).result().properties.version)
    clock.ahead += 60
    changed = officer.update_certificate_properties("changing", version, enabled=False, tags={"rotation": "later"})
    assert (changed.properties.enabled, changed.properties.tags) == (False, {"rotation": "later"})
    assert changed.properties.updated_on > changed.properties.created_on
    with pytest.raises(HttpResponseError, match="disabled"):
        reader.get_secret("changing")
    assert officer.get_certificate("changing").properties.enabled is False


def test_the_policy_is_kept_and_shown(officer: Any) -> None:
    from azure.keyvault.certificates import CertificatePolicyAction, LifetimeAction

    notify = LifetimeAction(CertificatePolicyAction.email_contacts, days_before_expiry=60)
    officer.begin_create_certificate("kept", policy(lifetime_actions=[notify])).result()
    kept = officer.get_certificate_policy("kept")
    assert (kept.subject, kept.validity_in_months, kept.reuse_key) == ("CN=made-here", 12, False)
    assert [(action.action, action.days_before_expiry) for action in kept.lifetime_actions or []] == [
        (CertificatePolicyAction.email_contacts, 60)
    ]


def test_a_key_is_kept_when_the_policy_says_so(officer: Any) -> None:
    first, second = (
        x509.load_der_x509_certificate(bytes(officer.begin_create_certificate("same", wanted).result().cer))
        for wanted in (policy(), policy(reuse_key=True))
    )
    assert first.serial_number != second.serial_number
    assert first.public_key() == second.public_key()


def test_who_may_manage_certificates_may_not_read_keys_and_the_other_way_round(own: Http) -> None:
    own.stack.vault.certificate_users.clear()
    own.stack.vault.metadata_readers.clear()
    officer, api = (Identity(own.stack, identity).token() for identity in (CERTIFICATE_IDENTITY, API_IDENTITY))
    certificate, secret = (f"{VAULT}/{kind}/api-client?api-version=7.6" for kind in ("certificates", "secrets"))
    assert own.get(certificate, officer).status_code == 200
    assert own.get(secret, api).status_code == 200
    for url, token in ((secret, officer), (certificate, api)):
        refused = own.get(url, token)
        assert refused.status_code == 403
        assert refused.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
    assert "PRIVATE" not in own.get(certificate, officer).text
    shown = base64.b64decode(own.get(certificate, officer).json()["cer"])
    assert shown == own.stack.client_certificate.der


def test_what_is_not_there(officer: Any, stack: Stack) -> None:
    stack.vault.put_certificate("imported", stack.client_certificate)
    with pytest.raises(ResourceNotFoundError, match="was not found in this key vault"):
        officer.get_certificate("nothing")
    with pytest.raises(ResourceNotFoundError, match="Pending certificate not found"):
        officer.get_certificate_operation("nothing")
    with pytest.raises(ResourceNotFoundError, match="without a policy"):
        officer.get_certificate_policy("imported")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("issuer", {"name": "DigiCert"}),
        ("key_props", {"kty": "EC"}),
        ("key_props", {"key_size": 1024}),
        ("key_props", []),
        ("secret_props", {"contentType": "text/plain"}),
        ("x509_props", {"subject": "nonsense"}),
        ("x509_props", {"subject": "CN=x", "validity_months": 0}),
    ],
)
def test_a_policy_that_cannot_be_carried_out(part: str, value: object, http: Http) -> None:
    reply = call(http, "POST", "/certificates/bad/create", {"policy": {**POLICY, part: value}})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadParameter")
    assert f"policy.{part}" in reply.json()["error"]["message"]


@pytest.mark.parametrize("body", [None, [], {}, {"policy": POLICY, "tags": {"rotation": 1}}])
def test_a_body_that_says_nothing(body: object, http: Http) -> None:
    assert call(http, "POST", "/certificates/bad/create", body).status_code == 400
