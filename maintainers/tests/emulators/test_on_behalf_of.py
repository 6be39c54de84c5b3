"""The exchange: which callers get a token, its content, and what is refused."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest

from emulators.applications import API_ID, GRAPH_ID
from emulators.certificates import issue_certificate
from emulators.people import CONTOSO, FABRIKAM, PEOPLE
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS, ORDERS_ID

from .support import GRAPH_DEFAULT, TOKEN_URL, Clock, Http, assert_refused, decode, obo_form

ORDERS_SCOPES = " ".join(f"{ORDERS.identifier_uris[0]}/{name}" for name in ORDERS.scopes)


@pytest.mark.parametrize("person", ["alice", "greta", "olga"])
def test_gives_a_graph_token_for(person: str, shared: Stack, http: Http) -> None:
    reply = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token(person)))

    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert (body["token_type"], body["expires_in"], body["ext_expires_in"]) == ("Bearer", 3600, 3600)
    assert {"openid", "profile", "email", "https://graph.microsoft.com/User.Read"} <= set(body["scope"].split())
    claims = decode(body["access_token"])
    assert claims["aud"] == "https://graph.microsoft.com"
    assert claims["iss"] == f"https://sts.windows.net/{CONTOSO}/"
    assert (claims["ver"], claims["appid"], claims["appidacr"], claims["idtyp"]) == ("1.0", API_ID, "2", "user")
    assert (claims["oid"], claims["upn"]) == (PEOPLE[person].oid, PEOPLE[person].upn)
    assert "User.Read" in claims["scp"].split()
    assert "refresh_token" not in body
    assert 1500 <= len(body["access_token"]) <= 2300


def test_gives_an_orders_token_with_all_consented_scopes_and_roles(shared: Stack, http: Http) -> None:
    asked = f"{ORDERS.identifier_uris[0]}/Orders.Read"
    body = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("olga"), scope=asked)).json()

    assert body["scope"].split() == ORDERS_SCOPES.split()
    claims = decode(body["access_token"])
    assert claims["aud"] == ORDERS_ID
    assert claims["iss"] == f"https://login.microsoftonline.com/{CONTOSO}/v2.0"
    assert (claims["ver"], claims["azp"], claims["azpacr"]) == ("2.0", API_ID, "2")
    assert (claims["scp"], claims["roles"]) == ("Orders.Read Orders.Write", ["Orders.Manager"])


def test_a_guest_keeps_the_guest_accounts_object_id(shared: Stack, http: Http) -> None:
    form = obo_form(shared, shared.issue_access_token("greta"), scope=ORDERS_SCOPES, client_info="1")
    claims = decode(http.post(TOKEN_URL, form).json()["access_token"])

    assert claims["oid"] == PEOPLE["greta"].oid
    assert claims["idp"] == f"https://sts.windows.net/{FABRIKAM}/"
    assert claims["preferred_username"] == "greta@fabrikam.example"
    assert claims["tid"] == CONTOSO


def test_the_subject_is_another_one_for_every_application(shared: Stack, http: Http) -> None:
    user_token = shared.issue_access_token("alice")
    graph = http.post(TOKEN_URL, obo_form(shared, user_token)).json()["access_token"]
    orders = http.post(TOKEN_URL, obo_form(shared, user_token, scope=ORDERS_SCOPES)).json()["access_token"]

    subjects = {decode(token)["sub"] for token in (user_token, graph, orders)}
    assert len(subjects) == 3


def test_offline_access_adds_a_refresh_token(shared: Stack, http: Http) -> None:
    form = obo_form(shared, shared.issue_access_token("alice"), scope=f"{GRAPH_DEFAULT} offline_access")
    assert len(http.post(TOKEN_URL, form).json()["refresh_token"]) > 500


def test_a_declared_capability_is_no_step_up(shared: Stack, http: Http) -> None:
    capabilities = json.dumps({"access_token": {"xms_cc": {"values": ["cp1"]}}})
    reply = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice"), claims=capabilities))

    assert reply.status_code == 200
    assert decode(reply.json()["access_token"])["xms_cc"] == ["cp1"]


def test_maya_gets_a_challenge_until_she_has_used_a_second_factor(shared: Stack, http: Http) -> None:
    refused = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("maya")))
    body = assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")
    challenge = json.loads(body["claims"])["access_token"]["capolids"]
    assert challenge["essential"] is True
    assert len(challenge["values"]) == 1

    again = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("maya", mfa=True)))
    assert again.status_code == 200
    assert decode(again.json()["access_token"])["amr"] == ["pwd", "mfa"]


def test_a_resources_challenge_is_passed_on_to_a_person_without_a_second_factor(shared: Stack, http: Http) -> None:
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    refused = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice"), claims=claims))
    assert json.loads(assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")["claims"]) == json.loads(
        claims
    )

    stepped_up = shared.issue_access_token("alice", mfa=True)
    reply = http.post(TOKEN_URL, obo_form(shared, stepped_up, claims=claims))
    assert decode(reply.json()["access_token"])["acrs"] == ["c1"]


def test_connor_is_refused_until_he_consents(stack: Stack, own: Http) -> None:
    user_token = stack.issue_access_token("connor")
    refused = own.post(TOKEN_URL, obo_form(stack, user_token))
    assert "claims" not in assert_refused(refused, 65001, "invalid_grant", suberror="consent_required")

    stack.directory.consent("connor")
    assert own.post(TOKEN_URL, obo_form(stack, user_token)).status_code == 200

    stack.directory.withdraw_consent("connor")
    assert_refused(
        own.post(TOKEN_URL, obo_form(stack, user_token)), 65001, "invalid_grant", suberror="consent_required"
    )


def test_a_scope_beyond_the_consent_is_refused(shared: Stack, http: Http) -> None:
    form = obo_form(shared, shared.issue_access_token("alice"), scope="https://graph.microsoft.com/User.ReadBasic.All")
    assert_refused(http.post(TOKEN_URL, form), 65001, "invalid_grant", suberror="consent_required")


def test_blake_is_blocked_without_a_challenge(shared: Stack, http: Http) -> None:
    refused = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("blake", mfa=True)))
    assert "claims" not in assert_refused(refused, 53003, "invalid_grant", suberror="message_only")


def test_rheas_sessions_are_revoked(shared: Stack, http: Http) -> None:
    refused = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("rhea")))
    assert_refused(refused, 50173, "invalid_grant", suberror="bad_token")


def test_revoking_sessions_spares_what_is_issued_later(stack: Stack, own: Http, clock: Clock) -> None:
    before = stack.issue_access_token("alice")
    clock.ahead = 10
    stack.directory.revoke_sessions("alice", clock())
    clock.ahead = 20

    assert_refused(own.post(TOKEN_URL, obo_form(stack, before)), 50173, "invalid_grant", suberror="bad_token")
    assert own.post(TOKEN_URL, obo_form(stack, stack.issue_access_token("alice"))).status_code == 200


def test_an_application_can_demand_an_assignment(stack: Stack, own: Http) -> None:
    stack.directory.require_assignment(ORDERS, "olga")
    form = obo_form(stack, stack.issue_access_token("alice"), scope=ORDERS_SCOPES)
    assert_refused(own.post(TOKEN_URL, form), 50105, "invalid_grant")

    form = obo_form(stack, stack.issue_access_token("olga"), scope=ORDERS_SCOPES)
    assert own.post(TOKEN_URL, form).status_code == 200


def test_the_correlation_id_is_the_callers(shared: Stack, http: Http) -> None:
    wanted = "4d1a3f3a-1111-4222-8333-944455566677"
    form = obo_form(shared, shared.issue_access_token("rhea"))
    header = http.post(TOKEN_URL, form, **{"client-request-id": wanted})
    parameter = http.post(TOKEN_URL, {**form, "client-request-id": wanted})
    nonsense = http.post(TOKEN_URL, form, **{"client-request-id": "<script>"})

    assert header.json()["correlation_id"] == parameter.json()["correlation_id"] == wanted
    assert len(nonsense.json()["correlation_id"]) == 36


# What is wrong with the user's token


def test_refuses_an_expired_assertion(shared: Stack, http: Http) -> None:
    expired = shared.issue_access_token("alice", lifetime=-1)
    assert_refused(http.post(TOKEN_URL, obo_form(shared, expired)), 500133, "invalid_grant")


def test_refuses_an_assertion_that_is_not_valid_yet(shared: Stack, http: Http) -> None:
    early = shared.issue_access_token("alice", nbf=int(time.time()) + 600)
    assert_refused(http.post(TOKEN_URL, obo_form(shared, early)), 500133, "invalid_grant")


@pytest.mark.parametrize("app", ["orders", "graph"])
def test_refuses_an_assertion_for_another_audience(app: str, shared: Stack, http: Http) -> None:
    body = assert_refused(
        http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice", app=app))), 500131, "invalid_grant"
    )
    assert API_ID in body["error_description"]


@pytest.mark.parametrize("audience", ["client", "api"])
def test_refuses_an_id_token(audience: str, shared: Stack, http: Http) -> None:
    id_token = shared.issue_id_token("alice", audience=audience)
    assert_refused(http.post(TOKEN_URL, obo_form(shared, id_token)), 240002, "invalid_grant")


@pytest.mark.parametrize("version", [1, 2])
def test_refuses_an_app_only_token(version: int, shared: Stack, http: Http) -> None:
    app_only = shared.issue_app_token(version=version)
    assert decode(app_only)["idtyp"] == "app"
    assert_refused(http.post(TOKEN_URL, obo_form(shared, app_only)), 7000114, "invalid_grant")


def test_accepts_a_version_1_assertion(shared: Stack, http: Http) -> None:
    version_1 = shared.issue_access_token("alice", version=1)
    assert decode(version_1)["aud"] == f"api://{API_ID}"
    assert http.post(TOKEN_URL, obo_form(shared, version_1)).status_code == 200


def test_refuses_an_assertion_of_another_issuer(shared: Stack, http: Http) -> None:
    foreign = shared.issue_access_token("alice", iss=f"https://login.microsoftonline.com/{FABRIKAM}/v2.0")
    assert_refused(http.post(TOKEN_URL, obo_form(shared, foreign)), 50013, "invalid_grant")


def test_refuses_a_person_the_tenant_does_not_have(shared: Stack, http: Http) -> None:
    stranger = shared.issue_access_token("alice", oid="00000000-0000-4000-8000-000000000000")
    assert_refused(http.post(TOKEN_URL, obo_form(shared, stranger)), 50034, "invalid_grant")


def test_refuses_forged_assertions(shared: Stack, http: Http) -> None:
    genuine = shared.issue_access_token("alice")
    header, payload, signature = genuine.split(".")
    claims = decode(genuine)
    olgas_payload = shared.issue_access_token("olga").split(".")[1]
    stranger = issue_certificate("stranger", time.time())
    forged = {
        "payload": f"{header}.{olgas_payload}.{signature}",
        "signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "none": shared.sign({"alg": "none"}, claims),
        "hmac": shared.sign({"alg": "HS256"}, claims),
        "rs384": shared.sign({"alg": "RS384"}, claims),
        "kid": shared.sign({"kid": "unknown"}, claims),
        "no kid": shared.sign({"kid": None}, claims),
        "another key": jwt.encode(claims, stranger.key, "RS256", headers={"kid": shared.entra.keys.current.x5t}),
        "padded": f"{genuine}==",
        "not a token": "not-a-token",
    }
    assert http.post(TOKEN_URL, obo_form(shared, genuine)).status_code == 200  # from now on it is known
    for defect, token in forged.items():
        reply = http.post(TOKEN_URL, obo_form(shared, token))
        assert reply.json()["error_codes"] == [50013], defect


def test_refuses_an_assertion_by_a_withdrawn_key(stack: Stack, own: Http) -> None:
    old = stack.issue_access_token("alice")
    stack.roll_signing_key()
    assert own.post(TOKEN_URL, obo_form(stack, old)).status_code == 200
    stack.roll_signing_key(withdraw_old=True)
    assert_refused(own.post(TOKEN_URL, obo_form(stack, old)), 50013, "invalid_grant")


# What is wrong with the request


@pytest.mark.parametrize(
    ("changes", "code", "error"),
    [
        ({"requested_token_use": None}, 900144, "invalid_request"),
        ({"requested_token_use": "for_myself"}, 90023, "invalid_request"),
        ({"assertion": None}, 900144, "invalid_request"),
        ({"scope": None}, 900144, "invalid_request"),
        ({"scope": " "}, 900144, "invalid_request"),
        ({"grant_type": None}, 900144, "invalid_request"),
        ({"grant_type": "password"}, 70003, "unsupported_grant_type"),
        ({"scope": "https://unknown.example/.default"}, 500011, "invalid_resource"),
        ({"scope": "https://graph.microsoft.com/No.Such"}, 650053, "invalid_scope"),
        ({"scope": "No.Such"}, 650053, "invalid_scope"),
        ({"scope": f"{GRAPH_DEFAULT} https://graph.microsoft.com/User.Read"}, 70011, "invalid_scope"),
        ({"scope": f"{GRAPH_DEFAULT} {ORDERS_SCOPES}"}, 28000, "invalid_request"),
        ({"scope": f"api://{API_ID}/.default"}, 90009, "invalid_request"),
        ({"claims": "eyJub3QiOiAianNvbiJ9"}, 9002313, "invalid_request"),
    ],
)
def test_refuses_a_bad_request(
    changes: dict[str, str | None], code: int, error: str, shared: Stack, http: Http
) -> None:
    form = obo_form(shared, shared.issue_access_token("alice"), **changes)
    assert_refused(http.post(TOKEN_URL, form), code, error)


def test_refuses_a_parameter_that_comes_twice(shared: Stack, http: Http) -> None:
    form = [*obo_form(shared, shared.issue_access_token("alice")).items(), ("scope", "User.Read")]
    assert_refused(http.session.post(TOKEN_URL, data=form, timeout=10), 9002313, "invalid_request")


def test_refuses_anything_but_a_form(shared: Stack, http: Http) -> None:
    form = obo_form(shared, shared.issue_access_token("alice"))
    assert_refused(http.session.post(TOKEN_URL, json=form, timeout=10), 900144, "invalid_request")


def test_other_spellings_of_a_resource_are_the_same_resource(shared: Stack, http: Http) -> None:
    for scope in (f"{GRAPH_ID}/User.Read", "User.Read", "https://graph.microsoft.com//.default"):
        reply = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice"), scope=scope))
        assert reply.status_code == 200, (scope, reply.text)


def test_no_token_reaches_the_audit_trail_or_an_error(shared: Stack, http: Http) -> None:
    user_token = shared.issue_access_token("rhea")
    form = obo_form(shared, user_token)
    mark = shared.audit.mark()
    body = http.post(TOKEN_URL, form).text

    entry = next(entry for entry in shared.audit.entries(mark) if entry.action == "obo")
    assert (entry.caller, entry.service, entry.person, entry.status) == ("api", "entra", "rhea", 400)
    assert entry.verdict.startswith("AADSTS50173: ")
    for part in (user_token.split(".")[1], form["client_assertion"].split(".")[1]):
        assert part not in body
        assert part not in repr(entry)


def test_survives_what_is_no_token_at_all(shared: Stack, http: Http) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 60_000).decode()
    for nonsense in (f"{deep}.e30.x", f"e30.{deep}.x", "...", "\x00", "é.é.é"):
        for changes in ({"assertion": nonsense}, {"client_assertion": nonsense}, {"claims": "[" * 60_000}):
            reply = http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice"), **changes))
            assert reply.status_code in (400, 401), (nonsense[:20], reply.text)
            assert len(reply.text) < 2_000


def test_survives_times_beyond_the_calendar(shared: Stack, http: Http) -> None:
    late = shared.issue_access_token("alice", exp=1e300, nbf=1e299)
    assert_refused(http.post(TOKEN_URL, obo_form(shared, late)), 500133, "invalid_grant")
    undated = shared.issue_access_token("alice", iat=None)
    assert_refused(http.post(TOKEN_URL, obo_form(shared, undated)), 50013, "invalid_grant")


def test_a_token_in_the_wrong_place_is_not_repeated(shared: Stack, http: Http) -> None:
    user_token = shared.issue_access_token("alice")
    for name in ("client_id", "scope", "grant_type", "requested_token_use"):
        mark = shared.audit.mark()
        body = http.post(TOKEN_URL, obo_form(shared, user_token, **{name: user_token})).text
        for text in (body, repr(shared.audit.entries(mark))):
            assert user_token.split(".")[1] not in text
            assert user_token[:150] not in text
