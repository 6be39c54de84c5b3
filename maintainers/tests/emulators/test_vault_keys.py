"""The vault's keys: Microsoft's own client signs with them over TLS, and every way to be refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import SignatureAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from emulators.applications import API_IDENTITY, CERTIFICATE_IDENTITY, VAULT_URI
from emulators.certificates import base64url, issue_certificate
from emulators.stack import Stack

from .support import Clock, Http
from .test_vault_certificates import POLICY, VAULT, Identity, transport

MESSAGE = b"header.payload"
DIGEST = hashlib.sha256(MESSAGE).digest()
PRINCIPAL = API_IDENTITY.principal_id
ROLES = ("readers", "crypto_users", "metadata_readers", "certificate_users")


@pytest.fixture
def keys(own: Http) -> Iterator[KeyClient]:
    """The client of an identity with Key Vault Crypto User and Key Vault Reader, and with no other role."""
    own.stack.vault.readers.clear()
    own.stack.vault.certificate_users.clear()
    with KeyClient(VAULT, Identity(own.stack, API_IDENTITY), transport=transport(own)) as client:
        yield client


def call(http: Http, path: str, body: object = None, token: str | None = None) -> requests.Response:
    bearer = http.stack.entra.identity_token(VAULT_URI, 3600) if token is None else token
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    url = f"{VAULT}{path}?api-version=7.6"
    method = "GET" if body is None else "POST"
    return http.session.request(method, url, json=body, headers=headers, timeout=10, allow_redirects=False)


def sign(http: Http, **body: object) -> requests.Response:
    return call(http, "/keys/api-client/sign", {"alg": "PS256", "value": base64url(DIGEST), **body})


def refusal(reply: requests.Response) -> tuple[int, str, str]:
    error = reply.json()["error"]
    return reply.status_code, error["code"], error.get("innererror", {}).get("code", "")


def test_microsofts_client_signs_what_the_certificate_verifies(keys: KeyClient, own: Http) -> None:
    key = keys.get_key("api-client")
    result = keys.get_cryptography_client("api-client", key_version=key.properties.version).sign(
        SignatureAlgorithm.ps256, DIGEST
    )
    public = own.stack.client_certificate.certificate.public_key()
    assert (result.key_id, result.algorithm) == (key.id, "PS256")
    public.verify(result.signature, MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())  # type: ignore[call-arg, union-attr, arg-type]


def test_a_key_shows_its_public_part_only(keys: KeyClient, own: Http) -> None:
    key = keys.get_key("api-client")
    numbers = own.stack.client_certificate.key.public_key().public_numbers()
    shown: Any = key.key
    assert int.from_bytes(shown.n, "big") == numbers.n
    assert int.from_bytes(shown.e, "big") == numbers.e
    assert [shown.d, shown.p, shown.q, shown.dp, shown.dq, shown.qi] == [None] * 6
    assert key.properties.managed


def test_versions_are_listed_and_sign_with_their_own_keys(keys: KeyClient, own: Http) -> None:
    old = own.stack.client_certificate
    own.stack.rotate_client_certificate()
    listed = {one.version for one in keys.list_properties_of_key_versions("api-client")}
    known = [one.version for one in own.stack.vault.versions("api-client")]
    assert listed == set(known)
    signature = keys.get_cryptography_client("api-client", key_version=known[0]).sign(SignatureAlgorithm.rs256, DIGEST)
    old.certificate.public_key().verify(signature.signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[call-arg, union-attr, arg-type]
    latest = keys.get_cryptography_client("api-client").sign(SignatureAlgorithm.rs256, DIGEST)
    assert latest.signature != signature.signature


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"])
def test_every_algorithm_takes_a_digest_of_its_own_size(algorithm: str, own: Http) -> None:
    size = int(algorithm[2:]) // 8
    assert sign(own, alg=algorithm, value=base64url(bytes(size))).status_code == 200
    for wrong in (size - 1, size + 1, 0):
        reply = sign(own, alg=algorithm, value=base64url(bytes(wrong)))
        assert refusal(reply) == (400, "BadParameter", "")


@pytest.mark.parametrize(
    "body", [{"alg": "ES256"}, {"alg": "none"}, {"alg": None}, {"alg": ["PS256"]}, {"value": None}, {"value": "!"}]
)
def test_a_request_that_makes_no_sense(body: dict[str, object], own: Http) -> None:
    assert refusal(sign(own, **body)) == (400, "BadParameter", "")


@pytest.mark.parametrize("path", ["/keys/nothing", "/keys/nothing/versions", "/keys/api-client/0123456789abcdef"])
def test_what_is_not_there(path: str, own: Http) -> None:
    assert refusal(call(own, path)) == (404, "KeyNotFound", "")
    assert refusal(call(own, f"{path}/sign", {"alg": "PS256"})) == (404, "KeyNotFound", "")


def test_a_plain_secret_is_no_key(own: Http) -> None:
    own.stack.vault.put("greeting", "hello")
    assert refusal(call(own, "/keys/greeting")) == (404, "KeyNotFound", "")


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("crypto_users", "/keys/api-client/sign", 200),
        ("metadata_readers", "/keys/api-client/sign", 403),
        ("certificate_users", "/keys/api-client/sign", 403),
        ("readers", "/keys/api-client/sign", 403),
        ("crypto_users", "/keys/api-client", 200),
        ("metadata_readers", "/keys/api-client", 200),
        ("certificate_users", "/keys/api-client", 200),
        ("readers", "/keys/api-client", 403),
        ("crypto_users", "/certificates/api-client", 403),
        ("metadata_readers", "/certificates/api-client", 200),
        ("crypto_users", "/secrets/api-client", 403),
        ("metadata_readers", "/secrets/api-client", 403),
        ("metadata_readers", "/secrets/api-client/versions", 200),
    ],
)
def test_each_role_allows_what_azure_says_and_no_more(role: str, path: str, status: int, own: Http) -> None:
    """https://learn.microsoft.com/azure/key-vault/general/rbac-guide"""
    for name in ROLES:
        getattr(own.stack.vault, name).clear()
    getattr(own.stack.vault, role).add(PRINCIPAL)
    reply = call(own, path, {"alg": "PS256", "value": base64url(DIGEST)} if path.endswith("/sign") else None)
    assert reply.status_code == status
    if status == 403:
        assert refusal(reply) == (403, "Forbidden", "ForbiddenByRbac")


def test_the_identity_of_the_certificate_script_cannot_sign(own: Http) -> None:
    token = Identity(own.stack, CERTIFICATE_IDENTITY).token()
    assert refusal(call(own, "/keys/api-client/sign", {}, token))[0] == 403


def test_without_a_token_there_is_a_challenge(own: Http) -> None:
    reply = call(own, "/keys/api-client/sign", {}, "")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].endswith('resource="https://vault.azure.net"')


def test_a_disabled_key_is_shown_and_signs_nothing(own: Http) -> None:
    own.stack.vault.set_enabled("api-client", False)
    assert refusal(sign(own)) == (403, "Forbidden", "KeyDisabled")
    shown = call(own, "/keys/api-client")
    assert (shown.status_code, shown.json()["attributes"]["enabled"]) == (200, False)
    assert call(own, "/certificates/api-client").json()["attributes"]["enabled"] is False


@pytest.mark.parametrize("moved", [timedelta(days=366), timedelta(days=-1)], ids=["expired", "not valid yet"])
def test_outside_of_its_time_a_key_signs_nothing(moved: timedelta, own: Http, clock: Clock) -> None:
    clock.ahead = moved.total_seconds()
    assert refusal(sign(own)) == (403, "Forbidden", "")


def test_too_many_signatures_are_throttled(own: Http, clock: Clock) -> None:
    own.stack.vault.key_service.signatures_per_window = 2
    clock.ahead = 100
    assert [sign(own).status_code for _ in range(3)] == [200, 200, 429]
    assert refusal(sign(own)) == (429, "Throttled", "")
    clock.ahead = 111
    assert sign(own).status_code == 200


@pytest.mark.parametrize("form", ["application/x-pem-file", "application/x-pkcs12"])
def test_the_secret_of_a_key_that_is_not_exportable_holds_the_certificate_alone(
    form: str, stack: Stack, own: Http
) -> None:
    made = issue_certificate("sealed", stack.entra.now())
    stack.vault.put_certificate("sealed", made, form, exportable=False)
    value = call(own, "/secrets/sealed").json()["value"]
    if form == "application/x-pem-file":
        assert value.startswith("-----BEGIN CERTIFICATE-----")
        with pytest.raises(ValueError, match="PEM"):
            load_pem_private_key(value.encode(), None)
    else:
        key, _, others = pkcs12.load_key_and_certificates(base64.b64decode(value), None)
        assert (key, others) == (None, [made.certificate])
    assert call(own, "/keys/sealed/sign", {"alg": "PS256", "value": base64url(DIGEST)}).status_code == 200


@pytest.mark.parametrize("exportable", [True, False])
def test_the_policy_says_whether_the_key_is_exportable(exportable: bool, own: Http) -> None:
    policy = {**POLICY, "key_props": {**POLICY["key_props"], "exportable": exportable}}  # type: ignore[dict-item]
    token = Identity(own.stack, CERTIFICATE_IDENTITY).token()
    assert call(own, "/certificates/by-hand/create", {"policy": policy}, token).status_code == 202
    assert ("PRIVATE KEY" in call(own, "/secrets/by-hand").json()["value"]) is exportable


def test_microsofts_client_says_what_is_wrong(keys: KeyClient, own: Http) -> None:
    with pytest.raises(ResourceNotFoundError):
        keys.get_key("nothing")
    own.stack.vault.crypto_users.clear()
    with pytest.raises(HttpResponseError) as refused:
        keys.get_cryptography_client("api-client").sign(SignatureAlgorithm.ps256, DIGEST)
    assert refused.value.status_code == 403
