"""Redeeming codes and refreshing: what comes back, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from emulators.applications import API, API_ID, CLIENT, CLIENT_ID, GRAPH
from emulators.people import CONTOSO, FABRIKAM, PEOPLE
from emulators.stack import Stack

from .support import (
    API_SCOPE,
    GRAPH_DEFAULT,
    TOKEN_URL,
    Clock,
    Http,
    Json,
    assert_refused,
    decode,
    redeem_form,
    sign_in,
    sign_in_for_code,
)


def test_a_sign_in_gives_all_tokens(http: Http) -> None:
    response = sign_in(http, "alice", nonce="the-nonce")

    assert response["scope"].split() == [API_SCOPE]
    assert (response["token_type"], response["expires_in"]) == ("Bearer", 3600)
    access, identity = decode(response["access_token"]), decode(response["id_token"])
    assert (access["aud"], access["scp"], access["azp"], access["azpacr"]) == (API_ID, "access_as_user", CLIENT_ID, "0")
    assert access["preferred_username"] == "alice@contoso.example"
    assert access["exp"] - access["iat"] == 3900
    assert access["iat"] == access["nbf"]
    assert 1400 <= len(response["access_token"]) <= 2200
    assert (identity["aud"], identity["nonce"], identity["oid"]) == (CLIENT_ID, "the-nonce", PEOPLE["alice"].oid)
    assert "scp" not in identity
    assert len(response["refresh_token"]) > 500


@pytest.mark.parametrize("person", ["alice", "greta"])
def test_client_info_names_the_home_account(person: str, http: Http) -> None:
    encoded = sign_in(http, person)["client_info"]
    info = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert info == {"uid": PEOPLE[person].home_oid, "utid": PEOPLE[person].home_tenant}
    assert (info["utid"] == FABRIKAM) == (person == "greta")


def test_client_info_openid_and_refresh_token_only_when_asked_for(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", scope=API_SCOPE)
    response = http.post(TOKEN_URL, redeem_form(code, verifier, scope=API_SCOPE, client_info=None)).json()
    assert response.keys() == {"token_type", "scope", "expires_in", "ext_expires_in", "access_token"}


def test_the_redemption_may_leave_the_scope_out(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice")
    response = http.post(TOKEN_URL, redeem_form(code, verifier, scope=None)).json()
    assert decode(response["access_token"])["scp"] == "access_as_user"


def test_openid_scopes_alone_give_a_graph_token(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", scope="openid profile")
    response = http.post(TOKEN_URL, redeem_form(code, verifier, scope="openid profile")).json()
    assert decode(response["access_token"])["aud"] == "https://graph.microsoft.com"
    assert "User.Read" not in response["scope"]


@pytest.mark.parametrize(
    ("changes", "code", "error", "status"),
    [
        ({"code_verifier": "wrong" * 10}, 501481, "invalid_grant", 400),
        ({"code_verifier": None}, 900144, "invalid_request", 400),
        ({"redirect_uri": "http://localhost:9999"}, 500112, "invalid_client", 401),
        ({"redirect_uri": None}, 900144, "invalid_request", 400),
        ({"client_secret": "secret"}, 700025, "invalid_client", 401),
        ({"client_id": API_ID}, 7000218, "invalid_client", 401),
        ({"code": "nonsense"}, 70000, "invalid_grant", 400),
        ({"code": "1.unknown"}, 70008, "invalid_grant", 400),
        ({"scope": f"{API_SCOPE} User.Read"}, 28000, "invalid_request", 400),
        ({"scope": "Mail.Read"}, 65001, "invalid_grant", 400),
    ],
)
def test_refuses_a_bad_redemption(
    changes: dict[str, str | None], code: int, error: str, status: int, http: Http
) -> None:
    given, verifier = sign_in_for_code(http, "alice")
    reply = http.post(TOKEN_URL, redeem_form(given, verifier, **changes))
    assert_refused(reply, code, error, status, "consent_required" if code == 65001 else None)


def test_a_code_is_good_once(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice")
    assert http.post(TOKEN_URL, redeem_form(code, verifier)).status_code == 200
    assert_refused(http.post(TOKEN_URL, redeem_form(code, verifier)), 54005, "invalid_grant")


def test_a_code_is_good_for_its_client_only(stack: Stack, own: Http, clock: Clock) -> None:
    code, verifier = sign_in_for_code(own, "alice")
    secret = stack.directory.add_secret(API, clock() + 100)
    stolen = redeem_form(code, verifier, client_id=API_ID, client_secret=secret)
    assert_refused(own.post(TOKEN_URL, stolen), 70000, "invalid_grant")


def test_a_code_is_good_for_ten_minutes(stack: Stack, own: Http, clock: Clock) -> None:
    code, verifier = sign_in_for_code(own, "alice")
    clock.ahead = 601
    assert_refused(own.post(TOKEN_URL, redeem_form(code, verifier)), 70008, "invalid_grant")


# Refreshing


def refresh_form(token: str, **changes: str | None) -> dict[str, str]:
    """A good refresh by the client."""
    form: dict[str, str | None] = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "refresh_token": token,
        "scope": API_SCOPE,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def refresh(http: Http, token: str, **changes: str | None) -> Json:
    """The response of a refresh that must succeed."""
    reply = http.post(TOKEN_URL, refresh_form(token, **changes))
    assert reply.status_code == 200, reply.text
    response: Json = reply.json()
    return response


def test_a_refresh_gives_new_tokens(http: Http) -> None:
    first = sign_in(http, "greta")
    second = refresh(http, first["refresh_token"])
    assert second["access_token"] != first["access_token"]
    assert decode(second["access_token"])["oid"] == PEOPLE["greta"].oid
    assert refresh(http, second["refresh_token"])["token_type"] == "Bearer"


def test_a_refresh_token_is_bound_to_no_resource(stack: Stack, own: Http) -> None:
    token = sign_in(own, "alice")["refresh_token"]
    refused = own.post(TOKEN_URL, refresh_form(token, scope=GRAPH_DEFAULT))
    assert_refused(refused, 65001, "invalid_grant", suberror="consent_required")

    stack.directory.grant("alice", CLIENT, GRAPH, ("User.Read",))
    assert decode(refresh(own, token, scope=GRAPH_DEFAULT)["access_token"])["aud"] == "https://graph.microsoft.com"


def test_a_second_factor_lasts_over_a_refresh(http: Http) -> None:
    claims = json.dumps({"access_token": {"capolids": {"essential": True, "values": ["any"]}}})
    with_mfa = sign_in(http, "maya", claims=claims)["refresh_token"]
    assert decode(refresh(http, with_mfa, claims=claims)["access_token"])["amr"] == ["pwd", "mfa"]

    without = sign_in(http, "maya")["refresh_token"]
    assert refresh(http, without)["token_type"] == "Bearer"
    body = assert_refused(
        http.post(TOKEN_URL, refresh_form(without, claims=claims)), 50076, "invalid_grant", suberror="basic_action"
    )
    assert json.loads(body["claims"]) == json.loads(claims)


def test_refuses_a_bad_refresh(stack: Stack, own: Http, clock: Clock) -> None:
    token = sign_in(own, "alice")["refresh_token"]
    assert_refused(own.post(TOKEN_URL, refresh_form("1.unknown")), 700082, "invalid_grant", suberror="bad_token")
    assert_refused(own.post(TOKEN_URL, refresh_form(token, scope=None)), 900144, "invalid_request")
    secret = stack.directory.add_secret(API, clock() + 100)
    stolen = refresh_form(token, client_id=API_ID, client_secret=secret)
    assert_refused(own.post(TOKEN_URL, stolen), 70000, "invalid_grant")

    stack.directory.revoke_sessions("alice", clock() + 1)
    assert_refused(own.post(TOKEN_URL, refresh_form(token)), 50173, "invalid_grant", suberror="bad_token")
    clock.ahead = 91 * 86_400
    assert_refused(own.post(TOKEN_URL, refresh_form(token)), 700082, "invalid_grant", suberror="bad_token")


def test_rhea_can_sign_in_but_not_refresh(http: Http) -> None:
    token = sign_in(http, "rhea")["refresh_token"]
    assert_refused(http.post(TOKEN_URL, refresh_form(token)), 50173, "invalid_grant", suberror="bad_token")


def test_tokens_name_the_tenant_they_are_from(http: Http) -> None:
    assert {decode(sign_in(http, name)["access_token"])["tid"] for name in ("alice", "greta")} == {CONTOSO}
