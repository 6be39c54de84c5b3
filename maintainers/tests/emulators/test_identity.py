"""The managed-identity endpoint."""

from __future__ import annotations

import pytest

from emulators.applications import (
    API_IDENTITY,
    CERTIFICATE_IDENTITY,
    MANAGEMENT_URIS,
    REDIS_URI,
    SYSTEM_IDENTITY,
    TOKEN_EXCHANGE_URI,
    VAULT_URI,
)
from emulators.people import CONTOSO
from emulators.stack import Stack

from .support import Clock, Http, decode

GOOD = {"api-version": "2019-08-01", "resource": VAULT_URI, "client_id": API_IDENTITY.client_id}


def ask(http: Http, changes: dict[str, str | None], header: str | None = None) -> tuple[int, dict[str, str]]:
    """Status and body of a request whose parameters are changed; None removes one."""
    environ = http.stack.environ("api")
    query = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    headers = {"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"] if header is None else header}
    reply = http.session.get(environ["IDENTITY_ENDPOINT"], params=query, headers=headers, timeout=10)
    body: dict[str, str] = reply.json()
    return reply.status_code, body


def test_gives_a_token_of_the_identity(stack: Stack, own: Http, clock: Clock) -> None:
    clock.ahead = 1000
    status, body = ask(own, {})
    claims = decode(body["access_token"])

    assert status == 200
    assert (body["token_type"], body["resource"], body["client_id"]) == ("Bearer", VAULT_URI, API_IDENTITY.client_id)
    assert isinstance(body["expires_on"], str)
    assert int(body["expires_on"]) == claims["exp"]
    assert abs(claims["exp"] - clock() - 86_400) < 5
    assert (claims["aud"], claims["iss"]) == (VAULT_URI, f"https://sts.windows.net/{CONTOSO}/")
    assert (claims["oid"], claims["sub"]) == (API_IDENTITY.principal_id, API_IDENTITY.principal_id)
    assert (claims["appid"], claims["idtyp"]) == (API_IDENTITY.client_id, "app")
    assert claims["xms_mirid"].endswith("/userAssignedIdentities/id-obo-api")
    assert "scp" not in claims


def test_a_system_assigned_identity_is_the_one_without_a_name(stack: Stack, own: Http) -> None:
    assert ask(own, {"client_id": None})[0] == 400
    stack.identity.system_assigned = True
    status, body = ask(own, {"client_id": None})
    claims = decode(body["access_token"])
    assert (status, claims["oid"], claims["appid"]) == (200, SYSTEM_IDENTITY.principal_id, SYSTEM_IDENTITY.client_id)
    assert claims["xms_mirid"].endswith("/Microsoft.Web/sites/func-obo-local")
    assert ask(own, {"client_id": SYSTEM_IDENTITY.client_id})[0] == 400
    assert ask(own, {})[0] == 200


def test_a_trailing_slash_of_the_resource_does_not_matter(http: Http) -> None:
    assert ask(http, {"resource": f"{VAULT_URI}/"})[1]["resource"] == VAULT_URI


def test_the_token_for_redis_has_the_name_that_redis_knows_the_identity_by(http: Http) -> None:
    claims = decode(ask(http, {"resource": REDIS_URI})[1]["access_token"])
    assert (claims["aud"], claims["oid"]) == (REDIS_URI, API_IDENTITY.principal_id)


def test_the_token_for_federation_is_a_version_2_token(http: Http) -> None:
    claims = decode(ask(http, {"resource": TOKEN_EXCHANGE_URI})[1]["access_token"])
    assert (claims["ver"], claims["aud"], claims["azp"]) == ("2.0", TOKEN_EXCHANGE_URI, API_IDENTITY.client_id)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"api-version": None}, "api-version"),
        ({"api-version": "2017-09-01"}, "api-version"),
        ({"client_id": None}, "client_id"),
        ({"client_id": "11111111-2222-4333-8444-555555555555"}, "client_id"),
        ({"resource": None}, "resource"),
        ({"resource": "https://unknown.example"}, "resource"),
    ],
)
def test_refuses_a_bad_request(changes: dict[str, str | None], reason: str, http: Http) -> None:
    status, body = ask(http, changes)
    assert status == 400
    assert reason in body["message"]
    assert "access_token" not in body


@pytest.mark.parametrize("header", ["", "wrong"])
def test_refuses_whoever_does_not_know_the_header(header: str, shared: Stack, http: Http) -> None:
    mark = shared.audit.mark()
    status, body = ask(http, {}, header)
    assert status == 401
    assert "X-IDENTITY-HEADER" in body["message"]
    [entry] = shared.audit.entries(mark)
    assert (entry.caller, entry.service, entry.status) == ("?", "identity", 401)
    assert entry.verdict.startswith("refused: ")


def test_the_certificate_script_has_an_identity_of_its_own(stack: Stack, own: Http) -> None:
    script = {"X-IDENTITY-HEADER": stack.identity.script_header}
    url = f"http://127.0.0.1:{stack.ports.identity}/msi/token?api-version=2019-08-01"
    mine = f"{url}&client_id={CERTIFICATE_IDENTITY.client_id}"
    for resource in (VAULT_URI, *MANAGEMENT_URIS):
        reply = own.session.get(f"{mine}&resource={resource}", headers=script, timeout=10)
        assert decode(reply.json()["access_token"])["oid"] == CERTIFICATE_IDENTITY.principal_id
    others = f"{url}&client_id={API_IDENTITY.client_id}&resource={VAULT_URI}"
    exchange = f"{mine}&resource={TOKEN_EXCHANGE_URI}"
    assert [own.session.get(wrong, headers=script, timeout=10).status_code for wrong in (others, exchange)] == [
        400,
        400,
    ]


def test_the_azure_cli_finds_no_subscription(stack: Stack, own: Http) -> None:
    address = "https://management.azure.com/subscriptions?api-version=2022-12-01"
    for audience, status in ((MANAGEMENT_URIS[0], 200), (f"{MANAGEMENT_URIS[1]}/", 200), (VAULT_URI, 401)):
        reply = own.get(address, stack.entra.identity_token(audience, 3600, CERTIFICATE_IDENTITY))
        assert reply.status_code == status
        assert reply.json().get("value", []) == []
    assert own.get(address).status_code == 401
