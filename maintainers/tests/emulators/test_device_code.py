"""Signing in on another device."""

from __future__ import annotations

import json

import pytest

from emulators.applications import API, API_ID, CLIENT_ID
from emulators.browser import play
from emulators.stack import Stack

from .support import (
    API_SCOPE,
    DEVICE_URL,
    TOKEN_URL,
    Clock,
    Http,
    Json,
    PageForm,
    assert_refused,
    decode,
    walk,
)

DEVICE_PAGE = "https://login.microsoftonline.com/common/oauth2/deviceauth"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def ask(http: Http, **changes: str) -> Json:
    """A device code for the client."""
    form = {"client_id": CLIENT_ID, "scope": f"{API_SCOPE} openid offline_access", **changes}
    reply = http.post(DEVICE_URL, form)
    assert reply.status_code == 200, reply.text
    flow: Json = reply.json()
    return flow


def poll_form(flow: Json, **changes: str) -> dict[str, str]:
    """What the client polls with."""
    return {"grant_type": GRANT, "client_id": CLIENT_ID, "device_code": flow["device_code"], **changes}


def type_code(http: Http, flow: Json, person: str, answers: dict[str, str] | None = None) -> str:
    """The person's part; the text of the last page."""
    first = http.get(f"{DEVICE_PAGE}?otc={flow['user_code'].lower()}")
    assert PageForm(first.text).step == "device-code"
    return walk(http, first, person, answers).text


def test_the_whole_flow(stack: Stack, own: Http, clock: Clock) -> None:
    flow = ask(own)
    assert (flow["interval"], flow["expires_in"]) == (5, 900)
    assert flow["user_code"] in flow["message"]
    assert flow["verification_uri"] in flow["message"]
    assert flow["verification_uri"].startswith(stack.sign_in_url)

    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 70016, "authorization_pending")
    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 70016, "slow_down")
    clock.ahead = 5
    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 70016, "authorization_pending")

    assert "You are signed in" in type_code(own, flow, "alice")
    response = own.post(TOKEN_URL, poll_form(flow)).json()
    assert decode(response["access_token"])["scp"] == "access_as_user"
    assert response["id_token"]
    assert response["refresh_token"]
    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 70018, "bad_verification_code")


def test_step_up_on_the_other_device(stack: Stack, own: Http) -> None:
    claims = json.dumps({"access_token": {"capolids": {"essential": True, "values": ["any"]}}})
    flow = ask(own, claims=claims)
    type_code(own, flow, "maya")
    response = own.post(TOKEN_URL, poll_form(flow)).json()
    assert decode(response["access_token"])["amr"] == ["pwd", "mfa"]


def test_a_declined_sign_in(stack: Stack, own: Http) -> None:
    flow = ask(own, scope=API_SCOPE.replace("access_as_user", ".default"))
    type_code(own, flow, "connor", {"consent": "no"})
    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 65004, "authorization_declined")


def test_an_expired_code(stack: Stack, own: Http, clock: Clock) -> None:
    flow = ask(own)
    clock.ahead = 901
    assert_refused(own.post(TOKEN_URL, poll_form(flow)), 70019, "expired_token")
    assert "AADSTS70018: " in type_code(own, flow, "alice")


def test_a_user_code_is_good_once(http: Http) -> None:
    flow = ask(http)
    type_code(http, flow, "alice")
    assert "AADSTS70018: " in type_code(http, flow, "olga")


def test_codes_belong_to_their_client(stack: Stack, own: Http, clock: Clock) -> None:
    flow = ask(own)
    type_code(own, flow, "alice")
    assert_refused(own.post(TOKEN_URL, poll_form({"device_code": "D-unknown"})), 70018, "bad_verification_code")
    stolen = poll_form(flow, client_id=API_ID)
    assert_refused(own.post(TOKEN_URL, stolen), 7000218, "invalid_client", 401)
    stolen["client_secret"] = stack.directory.add_secret(API, clock() + 100)
    assert_refused(own.post(TOKEN_URL, stolen), 70018, "bad_verification_code")
    assert own.post(TOKEN_URL, poll_form(flow)).status_code == 200


@pytest.mark.parametrize(
    ("form", "code", "error", "status"),
    [
        ({"client_id": API_ID, "scope": API_SCOPE}, 7000218, "invalid_client", 401),
        ({"client_id": "nobody", "scope": API_SCOPE}, 700016, "unauthorized_client", 400),
        ({"client_id": CLIENT_ID}, 900144, "invalid_request", 400),
        ({"client_id": CLIENT_ID, "scope": "No.Such"}, 650053, "invalid_scope", 400),
    ],
)
def test_bad_requests(form: dict[str, str], code: int, error: str, status: int, http: Http) -> None:
    assert_refused(http.post(DEVICE_URL, form), code, error, status)


def test_the_player_can_type_the_code(stack: Stack, own: Http) -> None:
    flow = ask(own)
    play(f"{flow['verification_uri']}?otc={flow['user_code']}", "greta", stack.sign_in_url)
    assert own.post(TOKEN_URL, poll_form(flow)).status_code == 200
