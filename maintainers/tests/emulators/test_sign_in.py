"""The authorization endpoint and its pages."""

from __future__ import annotations

import json
from urllib.parse import urljoin

import pytest
import requests

from emulators.applications import API, API_ID
from emulators.people import CONTOSO, PEOPLE
from emulators.stack import Stack

from .support import (
    API_SCOPE,
    AUTHORIZE_URL,
    REDIRECT,
    Clock,
    Http,
    PageForm,
    authorize_query,
    decode,
    response_of,
    sign_in,
    walk,
)

MFA_CLAIMS = json.dumps({"access_token": {"capolids": {"essential": True, "values": ["any"]}}})


def authorize(http: Http, **changes: str | None) -> requests.Response:
    """The reply to a sign-in request."""
    query = authorize_query(**changes)
    return http.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)


def test_the_first_page_lists_everybody(http: Http) -> None:
    reply = authorize(http)
    page = PageForm(reply.text)

    assert reply.status_code == 200
    assert page.step == "account"
    assert page.choices == list(PEOPLE)
    assert "Sample client" in reply.text
    assert reply.headers["cache-control"].startswith("no-store")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-frame-options"] == "DENY"
    assert "http://" not in reply.text.replace(REDIRECT, "")


def test_a_login_hint_puts_its_account_first(http: Http) -> None:
    assert PageForm(authorize(http, login_hint="OLGA@contoso.example").text).choices[0] == "olga"
    assert PageForm(authorize(http, login_hint="greta@fabrikam.example").text).choices[0] == "greta"
    assert PageForm(authorize(http, login_hint="nobody").text).choices == list(PEOPLE)


def test_query_mode_redirects_with_code_and_state(http: Http) -> None:
    reply = walk(http, authorize(http, response_mode="query"), "alice")
    assert reply.headers["location"].startswith(f"{REDIRECT}?")
    response = response_of(reply)
    assert response["state"] == "a state/with=odd&characters"
    assert len(response["code"]) > 500


def test_form_post_mode_posts_code_and_state(http: Http) -> None:
    reply = walk(http, authorize(http, response_mode="form_post", state="<&'\">"), "alice")
    page = PageForm(reply.text)
    assert (page.step, page.action) == ("deliver", REDIRECT)
    assert page.fields["state"] == "<&'\">"
    assert len(page.fields["code"]) > 500
    nonce = reply.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert nonce
    assert f'<script nonce="{nonce}">' in reply.text


def test_the_request_may_be_posted(http: Http) -> None:
    assert PageForm(http.post(AUTHORIZE_URL, authorize_query()).text).step == "account"


def test_step_up_asks_for_a_second_factor(http: Http) -> None:
    first = authorize(http, claims=MFA_CLAIMS)
    page = PageForm(first.text)
    second = http.post(urljoin(first.url, page.action), {**page.fields, "account": "maya"})
    assert PageForm(second.text).step == "mfa"
    assert decode(sign_in(http, "maya", claims=MFA_CLAIMS)["access_token"])["amr"] == ["pwd", "mfa"]


def test_a_capability_is_no_step_up_and_shown_to_an_api_that_asks_for_it(stack: Stack, own: Http) -> None:
    claims = json.dumps({"access_token": {"xms_cc": {"values": ["CP1", "cp9"]}}})
    token = decode(sign_in(own, "maya", claims=claims)["access_token"])
    assert {"amr", "xms_cc"}.isdisjoint(token)
    stack.directory.ask_for_claim(API, "xms_cc")
    token = decode(sign_in(own, "maya", claims=claims)["access_token"])
    assert token["xms_cc"] == ["CP1"]  # as the client wrote it; what is not known is left out
    assert "amr" not in token


def test_denying_the_second_factor(http: Http) -> None:
    response = response_of(walk(http, authorize(http, claims=MFA_CLAIMS), "maya", {"mfa": "no"}))
    assert response["error"] == "access_denied"
    assert response["error_description"].startswith("AADSTS500121: ")
    assert "code" not in response
    assert response["state"]


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 700054),
        ({"response_type": "code id_token"}, "unsupported_response_type", 700054),
        ({"response_type": None}, "invalid_request", 900144),
        ({"response_mode": "fragment"}, "invalid_request", 90023),
        ({"code_challenge": None}, "invalid_request", 9002325),
        ({"code_challenge_method": None}, "invalid_request", 9002325),
        ({"code_challenge_method": "plain"}, "invalid_request", 9002325),
        ({"code_challenge": "too-short"}, "invalid_request", 9002325),
        ({"scope": None}, "invalid_request", 900144),
        ({"scope": "https://unknown.example/x"}, "invalid_resource", 500011),
        ({"scope": f"{API_SCOPE}.not"}, "invalid_scope", 650053),
        ({"claims": "{"}, "invalid_request", 9002313),
        ({"prompt": "whatever"}, "invalid_request", 90023),
        ({"prompt": "admin_consent"}, "invalid_request", 90023),
        ({"prompt": "login consent"}, "invalid_request", 90023),
        ({"prompt": "none"}, "login_required", 50058),
    ],
)
def test_errors_go_back_to_the_client(changes: dict[str, str | None], error: str, code: int, http: Http) -> None:
    query = authorize_query(**changes)
    reply = http.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)
    response = response_of(reply)
    assert response["error"] == error
    assert response["error_description"].startswith(f"AADSTS{code}: ")
    assert response["state"] == query["state"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": None}, 900144),
        ({"client_id": "11111111-2222-4333-8444-555555555555"}, 700016),
        ({"redirect_uri": None}, 900144),
        ({"redirect_uri": "https://evil.example/"}, 50011),
        ({"redirect_uri": "http://localhost.evil.example/"}, 50011),
        ({"redirect_uri": "http://localhost:80@evil.example/"}, 50011),
        ({"redirect_uri": "http://localhost/other"}, 50011),
        ({"redirect_uri": "http://localhost:1/#fragment"}, 50011),
        ({"redirect_uri": "https://localhost"}, 50011),
        ({"redirect_uri": "javascript:alert(1)"}, 50011),
        ({"redirect_uri": "http://127.0.0.1:4711"}, 50011),
        ({"redirect_uri": "http://localhost:port"}, 50011),
        ({"redirect_uri": "http://local\thost"}, 50011),
        ({"redirect_uri": "http://["}, 50011),
    ],
)
def test_errors_stay_on_a_page_while_the_client_is_not_known(
    changes: dict[str, str | None], code: int, http: Http
) -> None:
    reply = authorize(http, **changes)
    assert reply.status_code == 400
    assert f"AADSTS{code}: " in reply.text
    assert "Correlation ID" in reply.text
    assert "location" not in reply.headers


@pytest.mark.parametrize("redirect", ["http://localhost", "http://localhost/", "http://localhost:65535/"])
def test_any_port_of_localhost_is_registered(redirect: str, http: Http) -> None:
    assert PageForm(authorize(http, redirect_uri=redirect).text).step == "account"


def test_the_confidential_client_may_do_without_pkce(http: Http) -> None:
    query = authorize_query(
        client_id=API_ID, redirect_uri="http://localhost:9/_emulators/consented", scope="User.Read openid"
    )
    del query["code_challenge"]
    reply = http.session.get(AUTHORIZE_URL, params=query, timeout=10)
    assert PageForm(reply.text).step == "account"


def test_an_unknown_account_is_refused(http: Http) -> None:
    first = authorize(http)
    page = PageForm(first.text)
    reply = http.post(urljoin(first.url, page.action), {**page.fields, "account": "mallory"})
    assert response_of(reply)["error_description"].startswith("AADSTS50034: ")


def test_a_page_cannot_be_answered_twice_or_too_late(stack: Stack, own: Http, clock: Clock) -> None:
    first = authorize(own)
    page = PageForm(first.text)
    where, answer = urljoin(first.url, page.action), {**page.fields, "account": "alice"}
    assert own.post(where, answer).status_code == 302
    assert own.post(where, answer).status_code == 400

    page = PageForm(authorize(own).text)
    clock.ahead = 901
    late = own.post(where, {**page.fields, "account": "alice"})
    assert late.status_code == 400
    assert "AADSTS9002313" in late.text


def test_the_pages_escape_what_a_client_sends(http: Http) -> None:
    reply = authorize(http, redirect_uri='http://localhost/"><script>alert(1)</script>')
    assert "<script>" not in reply.text


def test_a_tenant_that_is_not_there(http: Http) -> None:
    reply = http.session.get(AUTHORIZE_URL.replace(CONTOSO, "nobody.example"), params=authorize_query(), timeout=10)
    assert reply.status_code == 400
    assert "AADSTS90002: " in reply.text
