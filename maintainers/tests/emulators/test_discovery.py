"""Tests of Entra's metadata and keys."""

from __future__ import annotations

import base64

import jwt
import pytest
import requests
from cryptography import x509

from emulators.people import CONTOSO, FABRIKAM
from emulators.stack import Stack

from .support import AUTHORITY, TOKEN_URL, Http, assert_refused

ENTRA = "https://login.microsoftonline.com"


def test_version_2_metadata(http: Http) -> None:
    reply = http.get(f"{AUTHORITY}/v2.0/.well-known/openid-configuration")
    document = reply.json()

    assert reply.status_code == 200
    assert "max-age" in reply.headers["cache-control"]
    assert document["issuer"] == f"{AUTHORITY}/v2.0"
    assert document["token_endpoint"] == TOKEN_URL
    assert document["jwks_uri"] == f"{AUTHORITY}/discovery/v2.0/keys"
    assert document["authorization_endpoint"] == f"{AUTHORITY}/oauth2/v2.0/authorize"
    assert document["device_authorization_endpoint"] == f"{AUTHORITY}/oauth2/v2.0/devicecode"


def test_version_1_metadata_has_the_other_issuer(http: Http) -> None:
    document = http.get(f"{AUTHORITY}/.well-known/openid-configuration").json()
    assert document["issuer"] == f"https://sts.windows.net/{CONTOSO}/"
    assert document["jwks_uri"] == f"{AUTHORITY}/discovery/keys"


def test_a_domain_names_its_tenant(http: Http) -> None:
    document = http.get(f"{ENTRA}/contoso.example/v2.0/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{AUTHORITY}/v2.0"


def test_the_shared_endpoints_issuer_is_a_template(http: Http) -> None:
    document = http.get(f"{ENTRA}/common/v2.0/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{ENTRA}/{{tenantid}}/v2.0"


@pytest.mark.parametrize("path", ["v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"])
def test_an_unknown_tenant(path: str, http: Http) -> None:
    reply = http.get(f"{ENTRA}/99999999-9999-4999-8999-999999999999/{path}")
    assert_refused(reply, 90002, "invalid_tenant")


@pytest.mark.parametrize("path", ["discovery/v2.0/keys", "discovery/keys"])
def test_keys_verify_a_token(path: str, shared: Stack, http: Http) -> None:
    token = shared.issue_access_token("alice")
    [key, _] = http.get(f"{AUTHORITY}/{path}").json()["keys"]

    assert {"kid", "x5t", "x5c", "issuer", "use", "kty", "n", "e"} <= key.keys()
    assert (key["kty"], key["use"], key["kid"], key["issuer"]) == ("RSA", "sig", key["x5t"], f"{AUTHORITY}/v2.0")
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": key["kid"]}
    jwt.decode(token, jwt.PyJWK(key, "RS256"), algorithms=["RS256"], audience="a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13")
    published = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
    assert published.public_key() == jwt.PyJWK(key, "RS256").key


def test_keys_name_the_tenant_they_are_asked_for(http: Http) -> None:
    for tenant, issuer in ((FABRIKAM, FABRIKAM), ("common", "{tenantid}")):
        [key, _] = http.get(f"{ENTRA}/{tenant}/discovery/v2.0/keys").json()["keys"]
        assert key["issuer"] == f"{ENTRA}/{issuer}/v2.0"


@pytest.mark.parametrize("tenant", [CONTOSO, "common"])
def test_a_key_of_another_cloud_is_listed_with_the_issuer_of_this_one(tenant: str, shared: Stack, http: Http) -> None:
    """Read off the public cloud's key set: the cloud's name alone tells them apart."""
    document = http.get(f"{ENTRA}/{tenant}/v2.0/.well-known/openid-configuration").json()
    ours, other = http.get(f"{ENTRA}/{tenant}/discovery/v2.0/keys").json()["keys"]
    assert ours["cloud_instance_name"] == document["cloud_instance_name"] == "microsoftonline.com"
    assert (other["cloud_instance_name"], other["issuer"]) == ("microsoftonline.us", f"{ENTRA}/{{tenantid}}/v2.0")
    assert (other["kty"], other["use"]) == ("RSA", "sig")
    assert shared.entra.keys.find(other["kid"]) is None


def kids(http: Http) -> list[str]:
    """The ids of the keys of this cloud that are published now."""
    published = http.get(f"{AUTHORITY}/discovery/v2.0/keys").json()["keys"]
    return [key["kid"] for key in published if key["cloud_instance_name"] == "microsoftonline.com"]


def test_key_sets_by_turns(stack: Stack, own: Http) -> None:
    [first] = kids(own)
    second = stack.roll_signing_key()
    fault = stack.faults.add("entra.keys", without=[first], every=2)
    assert [kids(own) for _ in range(4)] == [[second], [first, second], [second], [first, second]]
    assert [entry.verdict for entry in stack.audit.entries() if entry.action == "keys"][-2:] == [
        f"fault: without key {first}; ok: signing keys",
        "ok: signing keys",
    ]
    stack.faults.remove(fault)
    stack.faults.add("entra.keys", without=[first, second], times=1)
    assert [kids(own) for _ in range(2)] == [[], [first, second]]


def test_key_sets_by_turns_can_be_switched_from_outside(stack: Stack, own: Http) -> None:
    url, kid = f"{stack.sign_in_url}/_emulators/faults", stack.entra.keys.current.x5t
    reply = requests.post(url, json={"target": "entra.keys", "without": [kid], "every": 2}, timeout=10)
    assert (reply.status_code, reply.json()) == (
        201,
        {"added": f"fault: without key {kid}", "target": "entra.keys"},
    )
    assert [kids(own) for _ in range(3)] == [[], [kid], []]
    assert requests.delete(url, timeout=10).status_code == 200
    assert [kids(own) for _ in range(2)] == [[kid], [kid]]


def test_rolling_keys(stack: Stack, own: Http) -> None:
    before = kids(own)
    fresh = stack.roll_signing_key()
    assert kids(own) == [*before, fresh]
    assert jwt.get_unverified_header(stack.issue_access_token("alice"))["kid"] == fresh
    last = stack.roll_signing_key(withdraw_old=True)
    assert kids(own) == [last]


def test_instance_discovery(http: Http) -> None:
    asked = f"{AUTHORITY}/oauth2/v2.0/authorize"
    document = http.get(f"{ENTRA}/common/discovery/instance?api-version=1.1&authorization_endpoint={asked}").json()
    assert document["tenant_discovery_endpoint"] == f"{AUTHORITY}/v2.0/.well-known/openid-configuration"
    assert "login.microsoftonline.com" in document["metadata"][0]["aliases"]

    unknown = f"{ENTRA}/common/discovery/instance?authorization_endpoint={ENTRA}/nobody.example/oauth2/v2.0/authorize"
    assert_refused(http.get(unknown), 90002, "invalid_tenant")


def test_other_paths_and_methods(http: Http) -> None:
    assert http.get(f"{ENTRA}/").status_code == 404
    assert http.get(TOKEN_URL).status_code == 405
