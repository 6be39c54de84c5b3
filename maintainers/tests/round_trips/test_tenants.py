"""Two tenants, and both Functions apps as processes: each user gets their own data, realm and consent page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from emulators.applications import API_ID
from emulators.people import CONTOSO, EVERYONE, FABRIKAM
from tests.support.lab import TABLE, at_once
from tests.support.leaks import LeakWatch
from tests.support.live import Live, running

LOGIN = "https://login.microsoftonline.com"
STRANGERS = "99999999-9999-4999-8999-999999999999"
TENANT_OF = {
    "alice": CONTOSO,
    "frida": FABRIKAM,
    "olga": CONTOSO,
    "maya": CONTOSO,
    "felix": FABRIKAM,
    "connor": CONTOSO,
    "fiona": FABRIKAM,
}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, leak_watch: LeakWatch) -> Iterator[Live]:
    table = replace(TABLE, sign_in_audience="AzureADMultipleOrgs")
    with running(tmp_path_factory.mktemp("tenants"), leak_watch, table) as live:
        yield live


def wrong(person: str, reply: requests.Response) -> str:
    """What is wrong in the response to a GET of /api/me; "" if all is as it should be."""
    tenant, challenge = TENANT_OF[person], reply.headers.get("WWW-Authenticate", "")
    other = CONTOSO if tenant == FABRIKAM else FABRIKAM
    text = f"{person}: {reply.status_code} {reply.text} {challenge}"
    if other in text:
        return text
    if person in ("maya", "felix"):
        fits = reply.status_code == 401 and f'realm="{tenant}", authorization_uri="{LOGIN}/{tenant}/' in challenge
    elif person in ("connor", "fiona"):
        page = f"{LOGIN}/{tenant}/adminconsent?client_id={API_ID}"
        fits = reply.status_code == 403 and reply.json()["admin_consent_url"] == page
    else:
        fits = reply.status_code == 200 and reply.json()["id"] == EVERYONE[person].oid
    return "" if fits else text


def test_users_of_two_tenants_on_32_threads_get_their_own_data_realm_and_page(tenants: Live) -> None:
    people = list(TENANT_OF)
    tokens = {person: [tenants.stack.issue_access_token(person) for _ in range(2)] for person in people}
    mark = tenants.stack.audit.mark()

    def call(thread: int) -> list[str]:
        turns = [people[(thread + turn) % len(people)] for turn in range(14)]
        return [wrong(person, tenants.call("/api/me", tokens[person][thread % 2])) for person in turns]

    assert [each for found in at_once(32, call) for each in found if each] == []
    exchanges = [entry for entry in tenants.stack.audit.entries(mark) if entry.action == "obo"]
    asked = {(entry.person, entry.path.split("/")[1]) for entry in exchanges}
    assert asked == set(TENANT_OF.items())


def test_the_downstream_api_serves_both_tenants_and_keeps_their_data_apart(tenants: Live) -> None:
    tokens = {person: tenants.stack.issue_access_token(person) for person in ("alice", "frida")}
    headers = {"Content-Type": "application/json"}
    for person, token in tokens.items():
        body = json.dumps({"item": f"of {person}", "quantity": 1}).encode()
        assert tenants.call("/api/orders", token, "POST", headers=headers, body=body).status_code in (200, 201)
    for person, token in tokens.items():
        reply = tenants.call("/api/orders", token)
        assert {order["item"] for order in reply.json()} == {f"of {person}"}


def test_a_tenant_that_is_not_listed_is_told_nothing(tenants: Live) -> None:
    claims: dict[str, Any] = {"tid": STRANGERS, "iss": f"{LOGIN}/{STRANGERS}/v2.0"}
    reply = tenants.call("/api/me", tenants.stack.issue_access_token("frida", **claims))
    assert (reply.status_code, reply.json()["code"]) == (401, "invalid_token")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="organizations", error="invalid_token"'
    assert STRANGERS not in f"{reply.text} {reply.headers}"
