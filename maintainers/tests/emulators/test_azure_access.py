"""Azure services that are called as the user: which tokens and which users each of them refuses, and how."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from emulators.entra.claims_request import MFA_CLAIMS
from emulators.people import CONTOSO

from .azure_support import KINDS, TABLE, Kind, code_of, token_of
from .support import TOKEN_URL, Clock, Http, assert_refused, decode, obo_form

each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
FOREIGN = "11111111-2222-4333-8444-555555555555"


def challenge_of(header: str) -> dict[str, object]:
    encoded = header.partition('claims="')[2].partition('"')[0]
    claims: dict[str, object] = json.loads(base64.b64decode(encoded))
    return claims


@each
def test_a_user_with_the_role_reads_and_writes(kind: Kind, own_azure: Http) -> None:
    token = token_of(own_azure.stack, kind)
    assert decode(token)["aud"] == kind.resource
    assert kind.read(own_azure, token).status_code == 200
    assert kind.write(own_azure, token).status_code in (200, 201)


@each
def test_the_exchange_gives_a_token_for_the_service(kind: Kind, azure: Http) -> None:
    stack = azure.stack
    service = next(one for one in TABLE.azure if one.key == kind.key)
    scope = stack.environ("api")[f"DownstreamApis__{service.name}__Scopes"]
    assert scope == f"{kind.resource}/.default"
    assert stack.environ("api")[f"DownstreamApis__{service.name}__BaseUrl"] == service.base_url

    reply = azure.post(TOKEN_URL, obo_form(stack, stack.issue_access_token("olga"), scope=scope))
    assert decode(reply.json()["access_token"])["scp"] == "user_impersonation"
    assert kind.read(azure, reply.json()["access_token"]).status_code == 200


@each
@pytest.mark.parametrize(
    ("person", "code", "error"), [("connor", 65001, "invalid_grant"), ("maya", 50076, "invalid_grant")]
)
def test_entra_asks_for_consent_and_mfa(kind: Kind, person: str, code: int, error: str, azure: Http) -> None:
    form = obo_form(azure.stack, azure.stack.issue_access_token(person), scope=f"{kind.resource}/.default")
    suberror = {65001: "consent_required", 50076: "basic_action"}[code]
    assert_refused(azure.post(TOKEN_URL, form), code, error, suberror=suberror)


@each
def test_no_other_scope_exists(kind: Kind, azure: Http) -> None:
    form = obo_form(azure.stack, azure.stack.issue_access_token("alice"), scope=f"{kind.resource}/Files.Read")
    assert_refused(azure.post(TOKEN_URL, form), 650053, "invalid_scope")


@each
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://graph.microsoft.com"},
        {"aud": "https://storage.azure.com.example"},
        {"aud": None},
        {"scp": "Files.Read"},
        {"scp": "USER_IMPERSONATION"},
        {"scp": None},
        {"iss": f"https://sts.windows.net/{FOREIGN}/"},
        {"tid": FOREIGN},
        {"oid": FOREIGN},
        {"exp": int(time.time()) - 1},
        {"nbf": int(time.time()) + 86_400},
    ],
    ids=str,
)
def test_refuses_a_bad_token(kind: Kind, claims: dict[str, Any], azure: Http) -> None:
    refused = kind.read(azure, token_of(azure.stack, kind, **claims))
    assert refused.status_code == 401
    assert code_of(refused) in ("InvalidAuthenticationInfo", "Unauthorized")
    asked = refused.headers["WWW-Authenticate"]
    assert asked.startswith("Bearer ")
    assert f"https://login.microsoftonline.com/{CONTOSO}" in asked
    assert kind.resource in asked


@each
def test_refuses_what_is_no_token_for_it(kind: Kind, azure: Http) -> None:
    stack = azure.stack
    genuine = token_of(stack, kind)
    others = [token_of(stack, other) for other in KINDS if other != kind]
    for token in (
        None,
        "nonsense",
        genuine[:-8] + "AAAAAAAA",
        stack.issue_access_token("alice"),
        stack.issue_access_token("alice", app="graph"),
        stack.issue_id_token("alice"),
        stack.issue_app_token(app=kind.app),
        *others,
    ):
        refused = kind.read(azure, token)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


@each
def test_a_user_without_a_role_is_refused(kind: Kind, azure: Http) -> None:
    refused = kind.read(azure, token_of(azure.stack, kind, "blake"))
    assert (refused.status_code, code_of(refused)) == (403, kind.denied)
    assert "WWW-Authenticate" not in refused.headers
    assert "Reader" in azure.stack.audit.entries()[-1].details["needs"] or kind.key == "secrets"


@each
def test_a_reader_may_not_write(kind: Kind, azure: Http) -> None:
    token = token_of(azure.stack, kind, "olga")
    assert kind.read(azure, token).status_code == 200
    refused = kind.write(azure, token)
    assert (refused.status_code, code_of(refused)) == (403, kind.denied)


@each
def test_a_role_that_is_given_later_counts_at_once(kind: Kind, own_azure: Http) -> None:
    stack, token = own_azure.stack, token_of(own_azure.stack, kind, "blake")
    assert kind.read(own_azure, token).status_code == 403
    role = next(iter(role for role in stack.azure[kind.key].access.holders if "User" in role or "Data Reader" in role))
    stack.azure[kind.key].access.holders[role].add("blake")
    assert kind.read(own_azure, token).status_code == 200


@each
def test_a_claims_challenge_lasts_as_long_as_the_token(kind: Kind, own_azure: Http, clock: Clock) -> None:
    stack = own_azure.stack
    first, others = token_of(stack, kind), token_of(stack, kind, "olga")
    wanted = {"access_token": {"nbf": {"essential": True, "value": str(int(clock()) - 60)}}}
    stack.azure[kind.key].access.demands.add(wanted, person="alice")

    assert kind.read(own_azure, others).status_code == 200
    for _ in range(2):
        refused = kind.read(own_azure, first)
        assert refused.status_code == 401
        assert 'error="insufficient_claims"' in refused.headers["WWW-Authenticate"]
        assert challenge_of(refused.headers["WWW-Authenticate"]) == wanted
    assert kind.read(own_azure, token_of(stack, kind)).status_code == 200


@each
def test_a_refused_token_uses_up_one_demand(kind: Kind, own_azure: Http) -> None:
    stack = own_azure.stack
    stack.azure[kind.key].access.demands.add(tokens=2)
    first, second, third = (token_of(stack, kind, name) for name in ("alice", "olga", "alice"))
    for token in (first, first, second):
        assert "claims=" in kind.read(own_azure, token).headers["WWW-Authenticate"]
    assert kind.read(own_azure, third).status_code == 200


@each
def test_a_challenge_is_not_spent_on_a_request_without_a_token(kind: Kind, own_azure: Http) -> None:
    own_azure.stack.azure[kind.key].access.demands.add()
    assert "claims=" not in kind.read(own_azure, None).headers["WWW-Authenticate"]
    refused = kind.read(own_azure, token_of(own_azure.stack, kind))
    assert challenge_of(refused.headers["WWW-Authenticate"]) == MFA_CLAIMS


@each
def test_switches_reach_it(kind: Kind, own_azure: Http) -> None:
    stack, token = own_azure.stack, token_of(own_azure.stack, kind)
    stack.faults.add(kind.key, status=503, headers={"Retry-After": "7"}, times=1, person="alice")
    assert kind.read(own_azure, token).headers["Retry-After"] == "7"
    assert kind.read(own_azure, token).status_code == 200

    refused = own_azure.session.post(
        f"{stack.sign_in_url}/_emulators/refuse-seen-tokens", json={"target": kind.key}, timeout=10
    )
    assert refused.json() == {"refused": 1}
    again = kind.read(own_azure, token)
    assert again.status_code == 401
    assert "claims" not in again.headers["WWW-Authenticate"]
    assert kind.read(own_azure, token_of(stack, kind)).status_code == 200


@each
def test_a_challenge_and_a_consent_from_another_process(kind: Kind, own_azure: Http) -> None:
    stack = own_azure.stack
    server = f"{stack.sign_in_url}/_emulators"
    set_up = own_azure.session.post(f"{server}/challenge", json={"target": kind.key, "person": "alice"}, timeout=10)
    assert (set_up.status_code, set_up.json()) == (201, {"challenges": kind.key})
    assert "claims=" in kind.read(own_azure, token_of(stack, kind)).headers["WWW-Authenticate"]

    granted = {"person": "connor", "resource": kind.key, "scope": "user_impersonation"}
    assert own_azure.session.post(f"{server}/grant", json=granted, timeout=10).json()["granted"] == "user_impersonation"
    form = obo_form(stack, stack.issue_access_token("connor"), scope=f"{kind.resource}/.default")
    assert own_azure.post(TOKEN_URL, form).status_code == 200


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({}, "target must be one of graph, search, secrets, storage"),
        ({"target": "vault"}, "target must be one of"),
        ({"target": "storage", "person": "eve"}, "person must be one of"),
        ({"target": "storage", "claims": "x"}, "claims must be an object"),
        ({"target": "storage", "times": 2}, "no field times"),
    ],
)
def test_a_wrong_challenge_is_refused(asked: dict[str, object], problem: str, azure: Http) -> None:
    reply = azure.session.post(f"{azure.stack.sign_in_url}/_emulators/challenge", json=asked, timeout=10)
    assert reply.status_code == 400
    assert problem in reply.json()["error"]


def test_without_an_entry_there_is_none(http: Http) -> None:
    """Neither a host nor a resource: `dev.py run` starts no more than it did."""
    assert http.stack.azure == {}
    assert not any("Storage" in name for name in http.stack.environ("api"))
    form = obo_form(http.stack, http.stack.issue_access_token("alice"), scope="https://storage.azure.com/.default")
    assert_refused(http.post(TOKEN_URL, form), 500011, "invalid_resource")
