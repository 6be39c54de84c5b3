"""Consent: asked of the person who is missing it, given in the client's sign-in or by an administrator."""

from __future__ import annotations

from urllib.parse import urljoin

import requests

from emulators.applications import API, API_ID, CLIENT, GRAPH
from emulators.browser import play
from emulators.directory import EVERYBODY
from emulators.index_page import ADMIN_CONSENT
from emulators.people import PEOPLE
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS

from .support import (
    API_SCOPE,
    AUTHORITY,
    AUTHORIZE_URL,
    GRAPH_DEFAULT,
    TOKEN_URL,
    Http,
    PageForm,
    assert_refused,
    authorize_query,
    obo_form,
    pkce,
    redeem_form,
    response_of,
    walk,
)

API_DEFAULT = API_SCOPE.replace("access_as_user", ".default")
ORDERS_READ = f"{ORDERS.identifier_uris[0]}/Orders.Read"
CONSENTED = "http://localhost:1/_emulators/consented"


def authorize(http: Http, **changes: str | None) -> requests.Response:
    """The reply to a sign-in request."""
    return http.session.get(AUTHORIZE_URL, params=authorize_query(**changes), timeout=10, allow_redirects=False)


def pages_of(http: Http, reply: requests.Response, person: str) -> list[str]:
    """The steps a person is taken through."""
    steps: list[str] = []
    while reply.status_code == 200 and (page := PageForm(reply.text)).step in ("account", "mfa", "consent"):
        steps.append(page.step)
        answer = {"account": person} if page.step == "account" else {"answer": "yes"}
        reply = http.post(urljoin(reply.url, page.action), {**page.fields, **answer})
    return steps


def exchanges(stack: Stack, http: Http, person: str, scope: str = GRAPH_DEFAULT) -> int:
    """The status of an exchange for that person."""
    return http.post(TOKEN_URL, obo_form(stack, stack.issue_access_token(person), scope=scope)).status_code


def test_the_clients_own_scope_needs_no_consent(stack: Stack, own: Http) -> None:
    assert pages_of(own, authorize(own), "connor") == ["account"]
    assert exchanges(stack, own, "connor") == 400


def test_connor_consents_to_the_whole_chain_with_default(stack: Stack, own: Http) -> None:
    stack.directory.pre_authorize(ORDERS, API, ())
    first = authorize(own, scope=f"{API_DEFAULT} openid")
    page = PageForm(first.text)
    consent = own.post(urljoin(first.url, page.action), {**page.fields, "account": "connor"})
    assert PageForm(consent.text).step == "consent"
    assert "Microsoft Graph: User.Read" in consent.text
    assert "Orders API: Orders.Read, Orders.Write" in consent.text

    assert response_of(walk(own, consent, "connor"))["code"]
    assert exchanges(stack, own, "connor") == 200
    assert exchanges(stack, own, "connor", ORDERS_READ) == 200
    assert pages_of(own, authorize(own, scope=f"{API_DEFAULT} openid"), "connor") == ["account"]


def test_declining_consent(stack: Stack, own: Http) -> None:
    declined = walk(own, authorize(own, scope=API_DEFAULT), "connor", {"consent": "no"})
    response = response_of(declined)
    assert response["error"] == "access_denied"
    assert response["error_description"].startswith("AADSTS65004: ")
    assert exchanges(stack, own, "connor") == 400


def test_prompt_consent_asks_again(own: Http) -> None:
    assert pages_of(own, authorize(own, prompt="consent"), "alice") == ["account", "consent"]


def test_incremental_consent_for_a_new_resource(stack: Stack, own: Http) -> None:
    verifier, challenge = pkce()
    query = authorize_query(challenge, scope="User.Read openid")
    first = own.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)
    assert pages_of(own, first, "alice") == ["account", "consent"]
    assert stack.directory.granted(PEOPLE["alice"], CLIENT, GRAPH) == {"User.Read"}
    assert stack.directory.granted(PEOPLE["olga"], CLIENT, GRAPH) == frozenset()

    again = own.session.get(AUTHORIZE_URL, params=query, timeout=10, allow_redirects=False)
    code = response_of(walk(own, again, "alice"))["code"]
    answer = own.post(TOKEN_URL, redeem_form(code, verifier, scope="User.Read openid")).json()
    assert "User.Read" in answer["scope"].split()


def test_connor_consents_at_the_api_itself(stack: Stack, own: Http) -> None:
    scope = "https://graph.microsoft.com/User.Read openid"
    asked = authorize(own, client_id=API_ID, redirect_uri=CONSENTED, scope=scope)
    assert response_of(walk(own, asked, "connor"))["code"]
    assert exchanges(stack, own, "connor") == 200


def admin(http: Http, path: str = "v2.0/adminconsent", **query: str) -> requests.Response:
    """The reply to a request for an administrator's consent."""
    url = f"{AUTHORITY}/{path}"
    return http.session.get(url, params={"client_id": API_ID, **query}, timeout=10, allow_redirects=False)


def test_an_administrator_consents_for_everybody(stack: Stack, own: Http) -> None:
    scope = "https://graph.microsoft.com/.default"
    reply = walk(own, admin(own, scope=scope, redirect_uri=CONSENTED, state="s"), "alice")
    response = response_of(reply)
    assert (response["admin_consent"], response["state"]) == ("True", "s")
    assert reply.headers["location"].startswith(CONSENTED)
    assert exchanges(stack, own, "connor") == 200


def test_version_1_of_the_page_covers_all_the_api_requires(stack: Stack, own: Http) -> None:
    done = walk(own, admin(own, "adminconsent"), "alice")
    assert done.status_code == 200
    assert "Consent is granted" in done.text
    assert exchanges(stack, own, "connor") == 200

    stack.directory.withdraw_consent(EVERYBODY)
    form = obo_form(stack, stack.issue_access_token("connor"))
    assert_refused(own.post(TOKEN_URL, form), 65001, "invalid_grant", suberror="consent_required")


def test_only_an_administrator_can(stack: Stack, own: Http) -> None:
    reply = walk(own, admin(own, redirect_uri=CONSENTED), "connor")
    response = response_of(reply)
    assert response["error"] == "access_denied"
    assert response["error_description"].startswith("AADSTS90094: ")
    page = walk(own, admin(own), "connor")
    assert page.status_code == 400
    assert "AADSTS90094: " in page.text
    assert exchanges(stack, own, "connor") == 400


def test_bad_requests_for_an_administrators_consent(http: Http) -> None:
    assert "AADSTS50011: " in admin(http, redirect_uri="https://evil.example").text
    assert "AADSTS700016: " in admin(http, client_id="11111111-2222-4333-8444-555555555555").text
    assert "AADSTS650053: " in admin(http, scope="https://graph.microsoft.com/No.Such").text


def test_what_is_pre_authorized_needs_no_consent_and_what_is_not_does(stack: Stack, own: Http) -> None:
    assert exchanges(stack, own, "connor", ORDERS_READ) == 200
    stack.directory.pre_authorize(ORDERS, API, ("Orders.Write",))
    assert exchanges(stack, own, "connor", ORDERS_READ) == 400
    stack.directory.pre_authorize(ORDERS, API, ())
    refused = own.post(TOKEN_URL, obo_form(stack, stack.issue_access_token("connor"), scope=ORDERS_READ))
    assert_refused(refused, 65001, "invalid_grant", suberror="consent_required")
    assert exchanges(stack, own, "alice", ORDERS_READ) == 200  # she has consented herself


def test_consent_to_one_downstream_api_is_none_to_the_other(stack: Stack, own: Http) -> None:
    stack.directory.pre_authorize(ORDERS, API, ())
    asked = authorize(own, client_id=API_ID, redirect_uri=CONSENTED, scope=f"{ORDERS_READ} openid")
    assert response_of(walk(own, asked, "connor"))["code"]
    assert exchanges(stack, own, "connor", ORDERS_READ) == 200
    assert exchanges(stack, own, "connor") == 400


def asks_for_all_profiles(http: Http, prompt: str | None = None) -> requests.Response:
    """The reply to a sign-in that asks for a permission only an administrator can consent to."""
    scope = "https://graph.microsoft.com/User.Read.All openid"
    return authorize(http, client_id=API_ID, redirect_uri=CONSENTED, scope=scope, prompt=prompt)


def test_some_permissions_only_an_administrator_can_consent_to(stack: Stack, own: Http) -> None:
    for prompt in (None, "consent"):
        response = response_of(walk(own, asks_for_all_profiles(own, prompt), "olga"))
        assert response["error"] == "access_denied"
        assert response["error_description"].startswith("AADSTS90094: ")
        assert "code" not in response
    assert "User.Read.All" not in stack.directory.granted(PEOPLE["olga"], API, GRAPH)

    assert pages_of(own, asks_for_all_profiles(own), "alice") == ["account", "consent"]
    assert "User.Read.All" in stack.directory.granted(PEOPLE["alice"], API, GRAPH)
    assert "User.Read.All" not in stack.directory.granted(PEOPLE["olga"], API, GRAPH)  # she consented for herself


def test_what_an_administrator_has_consented_to_for_everybody_is_not_asked_again(stack: Stack, own: Http) -> None:
    scope = "https://graph.microsoft.com/User.Read.All"
    assert exchanges(stack, own, "olga", scope) == 400
    walk(own, admin(own, scope=scope, redirect_uri=CONSENTED), "alice")
    assert exchanges(stack, own, "olga", scope) == 200
    assert response_of(walk(own, asks_for_all_profiles(own), "olga"))["code"]


def test_the_front_page_leads_an_administrator_to_the_consent_for_everybody(stack: Stack) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(stack.sign_in_url, timeout=10).text
    assert f'href="{ADMIN_CONSENT}"' in page
    play(stack.sign_in_url + ADMIN_CONSENT, "alice", stack.sign_in_url)
    assert "User.Read" in stack.directory.granted(PEOPLE["connor"], API, GRAPH)
