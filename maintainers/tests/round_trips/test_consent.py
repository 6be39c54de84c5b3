"""Connor has consented to nothing. He is refused, consents in Entra's pages, and his next call succeeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from client.api import Api, Reply, call_as_user
from emulators.applications import API, API_ID, GRAPH
from emulators.browser import PlayError
from emulators.people import CONTOSO, PEOPLE
from emulators.stack import Stack
from maintainers.tests.orders import ORDERS
from tests.support.lab import at_once

from .people import Someone
from .replies import AUTHORIZE, consent_required, response
from .trail import Trail, print_of

GRAPH_SCOPES = ["https://graph.microsoft.com/.default"]
ORDERS_SCOPES = [f"{ORDERS.identifier_uris[0]}/{name}" for name in ORDERS.scopes]
ADMIN_CONSENT = f"https://login.microsoftonline.com/{CONTOSO}/adminconsent?client_id={API_ID}"
NEEDS = {"/api/me": GRAPH_SCOPES, "/api/orders": ORDERS_SCOPES}
CONSENT_TO = {"/api/me": "https://graph.microsoft.com/User.Read", "/api/orders": " ".join(ORDERS_SCOPES)}


def consents_to(someone: Someone, path: str, stack: Stack) -> None:
    """In the browser, the person lets the API do what `path` needs, and nothing else."""
    asked = {
        "client_id": API_ID,
        "response_type": "code",
        "redirect_uri": f"{stack.sign_in_url}/_emulators/consented",
        "scope": CONSENT_TO[path],
    }
    someone.opens(f"{AUTHORIZE}?{urlencode(asked)}")


def refused(reply: Reply, path: str) -> None:
    """Asserts that the reply names exactly the consent that `path` lacks."""
    assert consent_required(reply) == (NEEDS[path], ADMIN_CONSENT)


@pytest.fixture
def connor(at_live: Callable[[str], Someone], consents: Stack) -> Someone:
    return at_live("connor")


def test_connor_consents_and_the_very_next_call_with_the_same_token_succeeds(
    api: Api, connor: Someone, consents: Stack, trail: Trail
) -> None:
    token = connor.token()
    for _ in range(2):
        refused(api.call("GET", "/api/me", token), "/api/me")
    consents_to(connor, "/api/me", consents)

    assert response(api.call("GET", "/api/me", token))["id"] == PEOPLE["connor"].oid
    assert [exchange.status for exchange in trail.exchanges] == [400, 400, 200]  # each time asked, no error was kept
    assert {exchange.assertion for exchange in trail.exchanges} == {print_of(token)}
    assert trail.calls("graph") == [(trail.exchanges[2].issued, 200)]


def test_an_administrator_consents_for_everybody_at_the_address_in_the_reply(
    api: Api, connor: Someone, at_live: Callable[[str], Someone], trail: Trail
) -> None:
    token = connor.token()
    _, address = consent_required(api.call("GET", "/api/me", token))
    refused(api.call("GET", "/api/orders", token), "/api/orders")
    at_live("alice").opens(address)

    assert response(api.call("GET", "/api/me", token))["id"] == PEOPLE["connor"].oid
    assert response(api.call("GET", "/api/orders", token)) == []
    assert trail.pages("consent") == ["ok: alice signed in"]


def test_connor_is_no_administrator(api: Api, connor: Someone) -> None:
    token = connor.token()
    _, address = consent_required(api.call("GET", "/api/me", token))
    with pytest.raises(PlayError, match="AADSTS90094"):
        connor.opens(address)
    refused(api.call("GET", "/api/me", token), "/api/me")


@pytest.mark.parametrize(("first", "second"), [("/api/me", "/api/orders"), ("/api/orders", "/api/me")])
def test_each_downstream_api_asks_for_its_own_consent_when_it_is_called(
    first: str, second: str, api: Api, connor: Someone, consents: Stack
) -> None:
    token = connor.token()
    refused(api.call("GET", first, token), first)
    consents_to(connor, first, consents)
    for _ in range(2):
        response(api.call("GET", first, token))
        refused(api.call("GET", second, token), second)

    consents_to(connor, second, consents)
    response(api.call("GET", second, token))
    response(api.call("GET", first, token))


def test_where_orders_pre_authorizes_the_api_nobody_has_to_consent(api: Api, connor: Someone, consents: Stack) -> None:
    """As infra/ deploys it."""
    token = connor.token()
    refused(api.call("GET", "/api/orders", token), "/api/orders")
    consents.directory.pre_authorize(ORDERS, API, ORDERS.scopes)
    assert response(api.call("GET", "/api/orders", token)) == []
    refused(api.call("GET", "/api/me", token), "/api/me")


def test_one_sign_in_with_combined_consent_covers_everything(api: Api, connor: Someone, trail: Trail) -> None:
    token = connor.access_token(consent=True)
    assert response(api.call("GET", "/api/me", token))["id"] == PEOPLE["connor"].oid
    assert response(api.call("GET", "/api/orders", token)) == []
    assert trail.pages("consent") == ["ok: connor signed in"]
    assert [exchange.status for exchange in trail.exchanges] == [200, 200]


def test_the_client_asks_for_the_consent_that_is_missing(api: Api, connor: Someone, trail: Trail) -> None:
    told: list[str] = []
    reply = call_as_user(api, connor, "GET", "/api/me", consent=True, tell=told.append)

    assert response(reply)["id"] == PEOPLE["connor"].oid
    assert told == ["The API may not do this on your behalf yet. Asking for your consent."]
    assert trail.pages("consent") == ["ok: connor signed in"]
    first, second = connor.tokens
    assert response(api.call("GET", "/api/me", first))["id"] == PEOPLE["connor"].oid  # the consent is the person's
    assert [exchange.assertion for exchange in trail.exchanges] == [print_of(t) for t in (first, second, first)]


def test_one_persons_consent_is_nobody_elses(
    api: Api, connor: Someone, at_live: Callable[[str], Someone], consents: Stack
) -> None:
    consents.directory.withdraw_consent("olga")
    try:
        olgas = at_live("olga").token()
        refused(api.call("GET", "/api/me", olgas), "/api/me")
        consents_to(connor, "/api/me", consents)
        response(api.call("GET", "/api/me", connor.token()))
        refused(api.call("GET", "/api/me", olgas), "/api/me")
    finally:
        consents.directory.consent("olga")
    assert response(api.call("GET", "/api/me", olgas))["id"] == PEOPLE["olga"].oid


def test_many_calls_without_consent_share_one_exchange_and_keep_no_response(
    api: Api, connor: Someone, consents: Stack, trail: Trail
) -> None:
    token = connor.token()
    for reply in at_once(16, lambda _: api.call("GET", "/api/me", token)):
        refused(reply, "/api/me")
    consents.directory.grant("connor", API, GRAPH, ("User.Read",))
    replies = at_once(16, lambda _: api.call("GET", "/api/me", token))
    assert {json.loads(reply.text)["id"] for reply in replies} == {PEOPLE["connor"].oid}
    assert [exchange.status for exchange in trail.exchanges].count(200) == 1
