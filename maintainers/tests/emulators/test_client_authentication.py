"""How the API authenticates at the token endpoint, and every way to fail."""

from __future__ import annotations

import time
from typing import Any

import pytest

from emulators.applications import API, API_ID, API_IDENTITY, CLIENT_ID, TOKEN_EXCHANGE_URI, VAULT_URI
from emulators.certificates import issue_certificate
from emulators.people import CONTOSO, FABRIKAM
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS_ID

from .support import AUTHORITY, TOKEN_URL, Clock, Http, assert_refused, client_assertion, decode, obo_form


def exchange(stack: Stack, http: Http, **changes: str | None) -> dict[str, object]:
    """The response of an exchange that must succeed."""
    reply = http.post(TOKEN_URL, obo_form(stack, stack.issue_access_token("alice"), **changes))
    assert reply.status_code == 200, reply.text
    body: dict[str, object] = reply.json()
    return body


def refused(
    stack: Stack, http: Http, code: int, error: str = "invalid_client", status: int = 401, **changes: str | None
) -> str:
    """The description of an exchange that must be refused."""
    reply = http.post(TOKEN_URL, obo_form(stack, stack.issue_access_token("alice"), **changes))
    return str(assert_refused(reply, code, error, status)["error_description"])


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
@pytest.mark.parametrize("audience", [TOKEN_URL, f"{AUTHORITY}/v2.0"])
def test_accepts_a_certificate(algorithm: str, audience: str, shared: Stack, http: Http) -> None:
    signed = client_assertion(shared.client_certificate, algorithm=algorithm, audience=audience)
    assert decode(exchange(shared, http, client_assertion=signed)["access_token"])["appidacr"] == "2"


def test_finds_the_certificate_by_any_spelling_of_its_thumbprint(shared: Stack, http: Http) -> None:
    certificate = shared.client_certificate
    padded = certificate.x5t_s256 + "=" * (-len(certificate.x5t_s256) % 4)
    assert padded.endswith("=")
    for header in ({"x5t#S256": padded}, {"x5t#S256": None, "x5t": certificate.x5t}):
        exchange(shared, http, client_assertion=client_assertion(certificate, header=header))


def test_refuses_a_certificate_that_is_not_registered(stack: Stack, own: Http) -> None:
    fresh = stack.rotate_client_certificate(register=False, in_vault=False)
    assert "The key was not found" in refused(stack, own, 700027, client_assertion=client_assertion(fresh))

    stack.directory.register_certificate(API, fresh)
    exchange(stack, own, client_assertion=client_assertion(fresh))


def test_refuses_a_certificate_that_is_no_longer_registered(stack: Stack, own: Http) -> None:
    old = stack.client_certificate
    stack.rotate_client_certificate(unregister_old=True)
    refused(stack, own, 700027, client_assertion=client_assertion(old))
    exchange(stack, own)


def test_refuses_a_signature_by_another_key(shared: Stack, http: Http) -> None:
    stranger = issue_certificate("stranger", time.time())
    forged = client_assertion(shared.client_certificate, signer=stranger)
    assert "verify the signature failed" in refused(shared, http, 700027, client_assertion=forged)


def test_refuses_an_expired_certificate(stack: Stack, own: Http, clock: Clock) -> None:
    clock.ahead = 366 * 86_400
    late = client_assertion(stack.client_certificate, issued=clock())
    refused(stack, own, 700024, client_assertion=late)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": CLIENT_ID}, 700021),
        ({"sub": CLIENT_ID}, 700021),
        ({"sub": None}, 700021),
        ({"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 700023),
        ({"aud": f"https://login.microsoftonline.com/{FABRIKAM}/oauth2/v2.0/token"}, 700023),
        ({"aud": None}, 700023),
        ({"exp": 1_000_000_000}, 700024),
        ({"nbf": 4_000_000_000}, 700024),
        ({"exp": None}, 50027),
        ({"exp": "tomorrow"}, 50027),
        ({"jti": None}, 50027),
    ],
)
def test_refuses_wrong_claims(claims: dict[str, object], code: int, shared: Stack, http: Http) -> None:
    assertion = client_assertion(shared.client_certificate)
    payload = {name: value for name, value in {**decode(assertion), **claims}.items() if value is not None}
    kept: dict[str, Any] = {name: payload.get(name) for name in ("iss", "sub", "aud", "exp", "nbf", "iat", "jti")}
    refused(shared, http, code, client_assertion=client_assertion(shared.client_certificate, **kept))


def test_refuses_an_assertion_it_cannot_read(shared: Stack, http: Http) -> None:
    nameless = client_assertion(shared.client_certificate, header={"x5t#S256": None})
    weak = client_assertion(shared.client_certificate, algorithm="RS384")
    for assertion in ("not.a.token", "nonsense", nameless, weak):
        refused(shared, http, 50027, client_assertion=assertion)


def test_an_assertion_may_be_presented_again_while_it_is_valid(shared: Stack, http: Http) -> None:
    signed = client_assertion(shared.client_certificate)
    exchange(shared, http, client_assertion=signed)
    exchange(shared, http, client_assertion=signed)


def test_refuses_another_assertion_under_a_used_id(shared: Stack, http: Http) -> None:
    first = client_assertion(shared.client_certificate, jti="the-same")
    second = client_assertion(shared.client_certificate, jti="the-same", lifetime=300)
    exchange(shared, http, client_assertion=first)
    refused(shared, http, 7000214, client_assertion=second)


def test_refuses_an_unknown_assertion_type(shared: Stack, http: Http) -> None:
    refused(shared, http, 90023, "invalid_request", 400, client_assertion_type="urn:other")
    refused(shared, http, 900144, "invalid_request", 400, client_assertion_type=None)


def test_refuses_an_unknown_client(shared: Stack, http: Http) -> None:
    refused(shared, http, 700016, "unauthorized_client", 400, client_id="11111111-2222-4333-8444-555555555555")
    refused(shared, http, 900144, "invalid_request", 400, client_id=None)


def test_refuses_a_client_without_credential(shared: Stack, http: Http) -> None:
    refused(shared, http, 7000218, client_assertion=None, client_assertion_type=None)
    refused(shared, http, 7000216, client_assertion=None, client_assertion_type=None, grant_type="client_credentials")


def test_a_public_client_cannot_exchange(shared: Stack, http: Http) -> None:
    refused(shared, http, 700025, client_id=CLIENT_ID)
    refused(shared, http, 7000218, client_id=CLIENT_ID, client_assertion=None, client_assertion_type=None)


def test_another_applications_certificate_does_not_count(shared: Stack, http: Http) -> None:
    assertion = client_assertion(shared.client_certificate, client_id=ORDERS_ID)
    refused(shared, http, 700027, client_id=ORDERS_ID, client_assertion=assertion)


@pytest.mark.parametrize("tenant", ["common", "organizations"])
def test_a_shared_endpoint_is_refused_for_an_application_of_one_tenant(tenant: str, shared: Stack, http: Http) -> None:
    url = TOKEN_URL.replace(CONTOSO, tenant)
    reply = http.post(url, obo_form(shared, shared.issue_access_token("alice")))
    assert_refused(reply, 50194, "invalid_request")


def test_the_application_is_unknown_in_another_tenant(shared: Stack, http: Http) -> None:
    reply = http.post(TOKEN_URL.replace(CONTOSO, FABRIKAM), obo_form(shared, shared.issue_access_token("alice")))
    assert_refused(reply, 700016, "unauthorized_client")


def test_a_tenant_that_does_not_exist(shared: Stack, http: Http) -> None:
    url = TOKEN_URL.replace(CONTOSO, "99999999-9999-4999-8999-999999999999")
    assert_refused(http.post(url, obo_form(shared, "token")), 90002, "invalid_tenant")


# Secrets


def test_a_secret_is_accepted_until_it_expires(stack: Stack, own: Http, clock: Clock) -> None:
    secret = stack.directory.add_secret(API, expires=clock() + 100)
    no_assertion: dict[str, Any] = {"client_assertion": None, "client_assertion_type": None}
    response = exchange(stack, own, client_secret=secret, **no_assertion)
    assert decode(response["access_token"])["appidacr"] == "1"
    assert API_ID in refused(stack, own, 7000215, client_secret=secret + "x", **no_assertion)

    clock.ahead = 101
    refused(stack, own, 7000222, client_secret=secret, **no_assertion)


# Federated: the managed identity's token stands for the application


def identity_token(stack: Stack, http: Http, resource: str = TOKEN_EXCHANGE_URI) -> str:
    """What the managed-identity endpoint hands out."""
    environ = stack.environ("api")
    query = f"?api-version=2019-08-01&resource={resource}&client_id={API_IDENTITY.client_id}"
    headers = {"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]}
    return str(http.get(environ["IDENTITY_ENDPOINT"] + query, **headers).json()["access_token"])


def test_accepts_the_managed_identity(shared: Stack, http: Http) -> None:
    token = identity_token(shared, http)
    claims = decode(token)
    assert (claims["aud"], claims["sub"]) == (TOKEN_EXCHANGE_URI, API_IDENTITY.principal_id)
    assert claims["iss"] == f"https://login.microsoftonline.com/{CONTOSO}/v2.0"
    assert decode(exchange(shared, http, client_assertion=token)["access_token"])["appidacr"] == "2"


def test_refuses_a_federated_token_that_does_not_match_the_record(shared: Stack, http: Http) -> None:
    claims = decode(identity_token(shared, http))
    for change, code in (
        ({"sub": "somebody-else"}, 700213),
        ({"aud": VAULT_URI}, 700212),
        ({"iss": f"https://sts.windows.net/{CONTOSO}/"}, 700211),
        ({"iss": "https://issuer.example/"}, 700211),
        ({"exp": 1_000_000_000}, 700024),
    ):
        refused(shared, http, code, client_assertion=shared.sign({}, {**claims, **change}))


def test_a_vault_token_does_not_stand_for_the_application(shared: Stack, http: Http) -> None:
    refused(shared, http, 700211, client_assertion=identity_token(shared, http, VAULT_URI))


def test_refuses_a_federated_token_with_a_bad_signature(shared: Stack, http: Http) -> None:
    refused(shared, http, 700027, client_assertion=identity_token(shared, http)[:-8] + "AAAAAAAA")


def test_refuses_a_federated_token_where_nothing_is_registered(shared: Stack, http: Http) -> None:
    refused(shared, http, 70021, client_id=ORDERS_ID, client_assertion=identity_token(shared, http))
