"""The key vault: which identities may read, and the values that they get."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from emulators.applications import API_IDENTITY, VAULT_URI
from emulators.people import CONTOSO
from emulators.stack import Stack

from .support import Http, Json, decode

VAULT = "https://obo-local.vault.azure.net"
SECRET = f"{VAULT}/secrets/api-client/?api-version=7.6"


def token(stack: Stack, **claims: object) -> str:
    """The identity's token for the vault, altered."""
    genuine = decode(stack.entra.identity_token(VAULT_URI, 3600))
    return stack.sign({}, {name: value for name, value in {**genuine, **claims}.items() if value is not None})


def read(http: Http, url: str = SECRET) -> Json:
    """The JSON of a read that must succeed."""
    reply = http.get(url, token(http.stack))
    assert reply.status_code == 200, reply.text
    body: Json = reply.json()
    return body


def test_the_first_request_gets_a_challenge(http: Http) -> None:
    reply = http.get(SECRET)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{CONTOSO}", resource="https://vault.azure.net"'
    )
    assert reply.json()["error"]["code"] == "Unauthorized"


def test_hands_out_the_certificate_as_pfx(http: Http) -> None:
    body = read(http)
    key, certificate, _ = pkcs12.load_key_and_certificates(base64.b64decode(body["value"]), None)
    expected = http.stack.client_certificate

    assert body["contentType"] == "application/x-pkcs12"
    assert certificate == expected.certificate
    assert key is not None
    assert body["id"].startswith(f"{VAULT}/secrets/api-client/")
    assert body["kid"].startswith(f"{VAULT}/keys/api-client/")
    assert body["managed"] is True
    attributes = body["attributes"]
    assert (attributes["enabled"], attributes["exp"]) == (True, expected.not_after)
    assert {"nbf", "created", "updated", "recoveryLevel", "recoverableDays"} <= attributes.keys()


def test_hands_out_the_certificate_as_pem(stack: Stack, own: Http) -> None:
    stack.vault.set_content_type("api-client", "application/x-pem-file")
    body = read(own)
    assert body["contentType"] == "application/x-pem-file"
    assert x509.load_pem_x509_certificate(body["value"].encode()) == stack.client_certificate.certificate
    assert load_pem_private_key(body["value"].encode(), None)

    stack.rotate_client_certificate()
    assert read(own)["contentType"] == "application/x-pem-file"


def test_versions(stack: Stack, own: Http) -> None:
    first = read(own)
    stack.rotate_client_certificate()
    latest = read(own)
    assert latest["id"] != first["id"]
    assert read(own, f"{first['id']}?api-version=7.6")["value"] == first["value"]
    assert read(own, f"{VAULT}/secrets/api-client?api-version=7.6")["id"] == latest["id"]

    listed = read(own, f"{VAULT}/secrets/api-client/versions?api-version=7.6")
    assert [version["id"] for version in listed["value"]] == sorted([first["id"], latest["id"]])  # not by age
    assert all("value" not in version for version in listed["value"])


def test_a_certificate_may_be_rotated_outside_the_vault(stack: Stack, own: Http) -> None:
    before = read(own)["id"]
    stack.rotate_client_certificate(in_vault=False)
    assert read(own)["id"] == before


def test_plain_secrets(stack: Stack, own: Http) -> None:
    version = stack.vault.put("greeting", "hello", "text/plain")
    body = read(own, f"{VAULT}/secrets/greeting/{version}?api-version=7.6")
    assert (body["value"], body["contentType"]) == ("hello", "text/plain")
    assert "kid" not in body


def test_a_disabled_version(stack: Stack, own: Http) -> None:
    stack.vault.set_enabled("api-client", False)
    reply = own.get(SECRET, token(stack))
    assert reply.status_code == 403
    assert reply.json()["error"]["innererror"]["code"] == "SecretDisabled"
    stack.vault.set_enabled("api-client", True)
    assert read(own)["value"]


@pytest.mark.parametrize(
    "path", ["secrets/nothing/", "secrets/api-client/0123456789abcdef", "secrets/nothing/versions"]
)
def test_what_is_not_there(path: str, http: Http) -> None:
    reply = http.get(f"{VAULT}/{path}?api-version=7.6", token(http.stack))
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "SecretNotFound"


def test_the_api_version_is_required(http: Http) -> None:
    reply = http.get(f"{VAULT}/secrets/api-client/", token(http.stack))
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadParameter")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://graph.microsoft.com"},
        {"aud": None},
        {"iss": "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"},
        {"exp": int(time.time()) - 1},
        {"nbf": int(time.time()) + 86_400},
    ],
)
def test_refuses_a_token_that_is_not_good_for_the_vault(claims: dict[str, object], http: Http) -> None:
    reply = http.get(SECRET, token(http.stack, **claims))
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "Unauthorized")
    assert reply.headers["www-authenticate"].startswith("Bearer authorization=")


def test_refuses_a_forged_token(http: Http) -> None:
    reply = http.get(SECRET, token(http.stack)[:-8] + "AAAAAAAA")
    assert reply.status_code == 401


def test_only_the_apis_identity_may_read(http: Http) -> None:
    for claims in ({"oid": "11111111-2222-4333-8444-555555555555"}, {"oid": None}):
        reply = http.get(SECRET, token(http.stack, **claims))
        assert reply.status_code == 403
        assert reply.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"

    http.stack.vault.readers.discard(API_IDENTITY.principal_id)
    try:
        assert http.get(SECRET, token(http.stack)).status_code == 403
    finally:
        http.stack.vault.readers.add(API_IDENTITY.principal_id)


def test_other_methods(http: Http) -> None:
    assert http.post(SECRET, {}).status_code == 405
