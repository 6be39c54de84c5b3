"""The claims parameter: malformed values, what a sign-in must do for it, and its effect on the token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulators.applications import API
from emulators.stack import Stack

from .support import (
    API_SCOPE,
    AUTHORIZE_URL,
    DEVICE_URL,
    TOKEN_URL,
    Clock,
    Http,
    Json,
    assert_refused,
    authorize_query,
    decode,
    obo_form,
    redeem_form,
    response_of,
    sign_in,
    sign_in_for_code,
    walk,
)

MALFORMED = {
    "not JSON": "acrs=c1",
    "undecoded base64": "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJ2YWx1ZSI6ImMxIn19fQ==",
    "no object": '["acrs"]',
    "the token's part is no object": '{"access_token":"acrs"}',
    "a member is no object": '{"access_token":{"acrs":"c1"}}',
    "a value is no text": '{"access_token":{"acrs":{"value":1}}}',
    "an empty value": '{"access_token":{"acrs":{"value":""}}}',
    "values is no list": '{"access_token":{"acrs":{"values":"c1"}}}',
    "a time that is none": '{"access_token":{"nbf":{"value":"yesterday"}}}',
    "nothing for a time": '{"access_token":{"nbf":{"value":null}}}',
    "not published": '{"access_token":{"acrs":{"essential":true,"value":"c99"}}}',
    "not one of c1 to c99": '{"access_token":{"acrs":{"essential":true,"value":"admin"}}}',
    "case counts": '{"access_token":{"acrs":{"essential":true,"value":"C1"}}}',
    "one of two": '{"access_token":{"acrs":{"essential":true,"values":["c1","c98"]}}}',
}


def wants(**members: object) -> str:
    """A claims request for the access token."""
    return json.dumps({"access_token": members})


def context(name: str) -> str:
    """A claims request for an authentication context."""
    return wants(acrs={"essential": True, "value": name})


def refused_with(body: Json) -> Any:
    """The claims a refusal names."""
    return json.loads(body["claims"])


@pytest.mark.parametrize("claims", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_claims_request_is_refused_wherever_it_is_sent(claims: str, shared: Stack, http: Http) -> None:
    asked = http.session.get(AUTHORIZE_URL, params=authorize_query(claims=claims), timeout=10, allow_redirects=False)
    response = response_of(asked)
    assert (response["error"], response["error_description"][:15]) == ("invalid_request", "AADSTS9002313: ")

    form = {"client_id": authorize_query()["client_id"], "scope": API_SCOPE, "claims": claims}
    assert_refused(http.post(DEVICE_URL, form), 9002313, "invalid_request")

    exchange = obo_form(shared, shared.issue_access_token("alice", mfa=True), claims=claims)
    assert_refused(http.post(TOKEN_URL, exchange), 9002313, "invalid_request")


@pytest.mark.parametrize(
    "claims",
    [
        "{}",
        wants(),
        wants(acrs=None),
        wants(nbf={"essential": True, "value": "1"}, something={"essential": True, "value": 7}),
        wants(nbf={"essential": False, "value": 1}),
        json.dumps({"id_token": {"auth_time": {"essential": True}}, "userinfo": None}),
    ],
)
def test_what_asks_for_nothing_of_the_sign_in_changes_nothing(claims: str, shared: Stack, http: Http) -> None:
    token = decode(sign_in(http, "alice", claims=claims)["access_token"])
    assert {"amr", "acrs"}.isdisjoint(token)
    assert http.post(TOKEN_URL, obo_form(shared, shared.issue_access_token("alice"), claims=claims)).status_code == 200


@pytest.mark.parametrize(
    ("name", "methods", "contexts"),
    [("c1", ["pwd", "mfa"], ["c1"]), ("c2", ["pwd", "fido", "mfa"], ["c1", "c2"]), ("c3", None, ["c3"])],
)
def test_a_context_is_in_the_token_once_its_policy_is_satisfied(
    name: str, methods: list[str] | None, contexts: list[str], http: Http
) -> None:
    """c2 wants a passkey, which is a second factor as well; c3 has no policy, so that everybody who asks gets it."""
    token = decode(sign_in(http, "alice", claims=context(name))["access_token"])
    assert (token.get("amr"), token["acrs"]) == (methods, contexts)


def test_contexts_add_up(http: Http) -> None:
    token = decode(sign_in(http, "alice", claims=wants(acrs={"values": ["c3", "c1"]}))["access_token"])
    assert token["acrs"] == ["c1", "c3"]


def test_an_api_that_does_not_want_the_claim_gets_what_was_asked_for_and_no_more(stack: Stack, own: Http) -> None:
    mfa = wants(capolids={"essential": True, "values": ["any"]})
    assert decode(sign_in(own, "maya", claims=mfa)["access_token"])["acrs"] == ["c1"]
    stack.directory.ask_for_claim(API, "acrs", wanted=False)
    assert "acrs" not in decode(sign_in(own, "maya", claims=mfa)["access_token"])
    assert decode(sign_in(own, "maya", claims=context("c2"))["access_token"])["acrs"] == ["c2"]


def test_denying_the_passkey(http: Http) -> None:
    first = http.session.get(
        AUTHORIZE_URL, params=authorize_query(claims=context("c2")), timeout=10, allow_redirects=False
    )
    response = response_of(walk(http, first, "alice", {"mfa": "no"}))
    assert (response["error"], response["error_description"][:14]) == ("access_denied", "AADSTS500121: ")


def test_one_context_does_not_open_another_at_the_exchange(shared: Stack, http: Http) -> None:
    stepped_up = sign_in(http, "alice", claims=context("c1"))["access_token"]
    assert http.post(TOKEN_URL, obo_form(shared, stepped_up, claims=context("c1"))).status_code == 200
    refused = http.post(TOKEN_URL, obo_form(shared, stepped_up, claims=context("c2")))
    body = assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")
    assert refused_with(body) == json.loads(context("c2"))

    by_passkey = sign_in(http, "alice", claims=context("c2"))["access_token"]
    granted = http.post(TOKEN_URL, obo_form(shared, by_passkey, claims=context("c2")))
    assert decode(granted.json()["access_token"])["acrs"] == ["c1", "c2"]  # Graph wants the claim


def test_a_forged_claim_in_the_assertion_is_not_what_counts(shared: Stack, http: Http) -> None:
    """The exchange goes by how the person signed in, not by what an earlier token says they were given."""
    claimed = shared.issue_access_token("alice", acrs=["c1", "c2"])
    refused = http.post(TOKEN_URL, obo_form(shared, claimed, claims=context("c1")))
    assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")


def test_a_code_cannot_be_redeemed_for_more_than_the_sign_in_did(http: Http) -> None:
    code, verifier = sign_in_for_code(http, "alice", claims=context("c1"))
    form = redeem_form(code, verifier)
    refused = http.post(TOKEN_URL, {**form, "claims": context("c2")})
    body = assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")
    assert refused_with(body) == json.loads(context("c2"))


def test_a_refresh_token_remembers_how_its_owner_signed_in(http: Http) -> None:
    refresh_token = sign_in(http, "alice", claims=context("c1"))["refresh_token"]
    form = {
        "grant_type": "refresh_token",
        "client_id": authorize_query()["client_id"],
        "refresh_token": refresh_token,
        "scope": API_SCOPE,
    }
    assert decode(http.post(TOKEN_URL, form).json()["access_token"])["acrs"] == ["c1"]
    refused = http.post(TOKEN_URL, {**form, "claims": context("c2")})
    assert_refused(refused, 50076, "invalid_grant", suberror="basic_action")


def test_a_device_code_too(http: Http) -> None:
    form = {"client_id": authorize_query()["client_id"], "scope": API_SCOPE, "claims": context("c1")}
    given = http.post(DEVICE_URL, form).json()
    page = http.session.get(given["verification_uri"], params={"otc": given["user_code"]}, timeout=10)
    assert "You are signed in" in walk(http, page, "maya").text
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": form["client_id"],
        "device_code": given["device_code"],
    }
    assert decode(http.post(TOKEN_URL, poll).json()["access_token"])["acrs"] == ["c1"]


def test_a_sign_in_from_before_the_time_asked_for_is_refused(stack: Stack, own: Http, clock: Clock) -> None:
    before = sign_in(own, "alice")
    clock.ahead = 10
    claims = wants(nbf={"essential": True, "value": str(int(clock()))})
    refused = own.post(TOKEN_URL, obo_form(stack, before["access_token"], claims=claims))
    assert "claims" not in assert_refused(refused, 50173, "invalid_grant", suberror="bad_token")

    clock.ahead = 20
    again = sign_in(own, "alice", claims=claims)["access_token"]
    assert own.post(TOKEN_URL, obo_form(stack, again, claims=claims)).status_code == 200


def test_the_audit_trail_tells_tokens_apart_and_shows_none(shared: Stack, http: Http) -> None:
    mark, tokens = shared.audit.mark(), [shared.issue_access_token("alice") for _ in range(2)]
    issued = [http.post(TOKEN_URL, obo_form(shared, token, claims=wants())).json()["access_token"] for token in tokens]
    http.get("https://graph.microsoft.com/v1.0/me", issued[1])

    seen = [entry for entry in shared.audit.entries(mark) if entry.action in ("obo", "me")]
    first, second, call = (entry.details for entry in seen)
    assert first["claims"] == wants()
    assert len({first["assertion"], second["assertion"], first["issued"], second["issued"]}) == 4
    assert call["bearer"] == second["issued"]
    assert all(len(value) == 16 for value in (first["assertion"], first["issued"], call["bearer"]))
    for part in (text for token in (*tokens, *issued) for text in token.split(".")[1:]):
        assert part[:24] not in repr(seen)
