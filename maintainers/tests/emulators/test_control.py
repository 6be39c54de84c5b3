"""The sign-in server on localhost: the index, the audit trail and the switches."""

from __future__ import annotations

import pytest
import requests

from emulators.applications import API, GRAPH
from emulators.people import PEOPLE
from emulators.stack import Stack

from .support import API_SCOPE, AUTHORITY, Http, PageForm, authorize_query

ME = "https://graph.microsoft.com/v1.0/me"


def address(stack: Stack, path: str) -> str:
    """An address of the sign-in server."""
    return f"{stack.sign_in_url}{path}"


def test_the_index_says_who_is_who(shared: Stack) -> None:
    reply = requests.get(address(shared, "/"), timeout=10)
    assert reply.status_code == 200
    for person in PEOPLE.values():
        assert person.name in reply.text
        assert person.sign_in_name in reply.text


def test_the_sign_in_pages_are_on_the_sign_in_server(shared: Stack) -> None:
    path = "/login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize"
    mark = shared.audit.mark()
    reply = requests.get(address(shared, path), params=authorize_query(), timeout=10)
    page = PageForm(reply.text)
    assert page.action.startswith("/login.microsoftonline.com/")
    last = requests.post(
        address(shared, page.action), {**page.fields, "account": "alice"}, timeout=10, allow_redirects=False
    )
    assert last.status_code == 302
    entries = shared.audit.entries(mark)
    assert [(entry.caller, entry.action) for entry in entries] == [("browser", "authorize"), ("browser", "sign-in")]
    assert entries[0].path == "/contoso.example/oauth2/v2.0/authorize"
    assert (entries[1].person, entries[1].verdict) == ("alice", "ok: alice signed in")


def test_the_audit_trail(shared: Stack, http: Http) -> None:
    before = requests.get(address(shared, "/_emulators/audit"), timeout=10).json()["mark"]
    http.get(f"{AUTHORITY}/discovery/v2.0/keys")
    after = requests.get(address(shared, f"/_emulators/audit?since={before}"), timeout=10).json()
    assert [entry["action"] for entry in after["entries"]] == ["connect", "keys"]
    assert after["mark"] == before + 2
    assert requests.get(address(shared, "/_emulators/audit?since=x"), timeout=10).status_code == 400


def test_faults_can_be_switched(stack: Stack, own: Http) -> None:
    url, graph = address(stack, "/_emulators/faults"), "https://graph.microsoft.com/v1.0/me"
    reply = requests.post(url, json={"target": "graph", "status": 503, "headers": {"Retry-After": "1"}}, timeout=10)
    assert reply.status_code == 201
    assert own.get(graph).status_code == 503
    assert requests.delete(url, timeout=10).status_code == 200
    assert own.get(graph).status_code == 401


@pytest.mark.parametrize(
    ("switch", "body", "told"),
    [
        ("faults", "{target: graph}", "the body must be a JSON object: Expecting property name"),
        ("faults", "[]", "the body must be a JSON object: not a JSON object"),
        ("faults", "{}", "target must be one of downloads, entra.discovery, "),
        ("faults", '{"target": "graph"}', "a fault needs a status, a delay or a network failure"),
        (
            "faults",
            '{"target": "graph", "stat": 5}',
            "no field stat; there are body, delay, every, headers, network, ",
        ),
        ("faults", '{"target": "graph", "status": "503"}', "status must be a whole number from 200 to 599, not '503'"),
        ("faults", '{"target": "graph", "status": 503, "person": "bob"}', "person must be one of alice, "),
        ("roll-signing-key", '{"withdraw_old": "no"}', "withdraw_old must be true or false, not 'no'"),
        ("roll-signing-key", '{"withdraw": true}', "no field withdraw; there are withdraw_old"),
        ("rotate-certificate", '{"in_vault": 0}', "in_vault must be true or false, not 0"),
        ("rotate-certificate", '{"x": 1}', "no field x; there are in_vault, register, unregister_old"),
        ("refuse-seen-tokens", "{}", "target must be one of graph, orders"),
        ("refuse-seen-tokens", '{"target": "vault"}', "target must be one of graph, orders"),
        ("grant", '{"person": "bob"}', "person must be one of alice, "),
        ("grant", '{"person": "alice", "resource": "api"}', "resource must be one of graph, orders"),
        ("grant", '{"person": "alice", "resource": "orders", "scope": "Mail.Read"}', "scope must be one of Orders."),
    ],
)
def test_a_bad_switch_is_told_by_its_field(switch: str, body: str, told: str, shared: Stack) -> None:
    kid, json = shared.entra.keys.current.x5t, {"Content-Type": "application/json"}
    reply = requests.post(address(shared, f"/_emulators/{switch}"), data=body, headers=json, timeout=10)
    assert (reply.status_code, reply.json()["error"][: len(told)]) == (400, told)
    assert shared.entra.keys.current.x5t == kid
    assert shared.faults.take("graph", None) is None


def test_a_form_is_no_switch(shared: Stack) -> None:
    reply = requests.post(address(shared, "/_emulators/faults"), data={"target": "graph"}, timeout=10)
    assert (reply.status_code, reply.json()) == (400, {"error": "the content type must be application/json"})


def test_keys_and_certificates_can_be_rolled(stack: Stack) -> None:
    kid, certificate = stack.entra.keys.current.x5t, stack.client_certificate
    reply = requests.post(address(stack, "/_emulators/roll-signing-key"), json={"withdraw_old": True}, timeout=10)
    assert reply.json()["kid"] == stack.entra.keys.current.x5t != kid
    assert stack.entra.keys.find(kid) is None
    reply = requests.post(address(stack, "/_emulators/rotate-certificate"), json={"unregister_old": True}, timeout=10)
    assert reply.json() == {"rotated": True}
    assert stack.client_certificate is not certificate


def test_tokens_that_were_shown_can_be_refused_and_consent_can_come_later(stack: Stack, own: Http) -> None:
    token = stack.issue_access_token("alice", app="graph", scopes=("User.Read",))
    assert own.get(ME, token).status_code == 200
    reply = requests.post(address(stack, "/_emulators/refuse-seen-tokens"), json={"target": "graph"}, timeout=10)
    assert (reply.status_code, reply.json()) == (200, {"refused": 1})
    refused = own.get(ME, token)
    assert (refused.status_code, "claims" in refused.headers["www-authenticate"]) == (401, False)
    fresh = stack.issue_access_token("alice", app="graph", scopes=("User.Read",), uti="another")
    assert own.get(ME, fresh).status_code == 200
    later = {"person": "alice", "resource": "graph", "scope": "Mail.Read"}
    reply = requests.post(address(stack, "/_emulators/grant"), json=later, timeout=10)
    assert (reply.status_code, reply.json()) == (200, {"granted": "Mail.Read"})
    assert "Mail.Read" in stack.directory.granted(PEOPLE["alice"], API, GRAPH)


def test_a_page_of_another_site_cannot_use_the_switches(stack: Stack) -> None:
    rebound = requests.get(address(stack, "/"), headers={"Host": "evil.example"}, timeout=10)
    assert rebound.status_code == 400
    simple = requests.post(
        address(stack, "/_emulators/roll-signing-key"), data="{}", headers={"Content-Type": "text/plain"}, timeout=10
    )
    assert simple.status_code == 400


def test_where_a_consent_ends(shared: Stack) -> None:
    assert "recorded" in requests.get(address(shared, "/_emulators/consented?code=x"), timeout=10).text
    assert API_SCOPE.endswith("access_as_user")
