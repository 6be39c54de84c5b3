"""Continuous access evaluation: an API behind ours refuses a token that it accepted before, with a claims challenge.

The refused token is dropped. One exchange with exactly those claims and one more call follow. If that does not help,
the challenge is passed on to the caller, whose client signs the user in again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import azure.functions as func
import pytest

from client.api import Api, call_as_user
from emulators.continuous_access import bearer_challenge
from emulators.people import PEOPLE
from shared import AsyncUser, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab, at_once
from tests.support.live import Live

from .people import Someone
from .replies import claims_challenge, response
from .small_app import served
from .trail import Trail, print_of

ANYBODY = {"acrs": {"essential": True, "value": "c3"}}
"""Entra grants it to every client that asks, without a new sign-in: the context has no policy."""
MFA = {"acrs": {"essential": True, "value": "c1"}}
"""Entra grants it to users who signed in with a second factor."""


def text_of(claims: object) -> str:
    """A claims request for the access token, as a challenge carries it."""
    return json.dumps({"access_token": claims}, separators=(",", ":"))


class Downstream:
    """One of the two APIs behind ours: what it is called, and how it is made to want an authentication context."""

    def __init__(self, service: str, path: str, lab: Lab) -> None:
        self.service, self.path, self._lab = service, path, lab
        self.resource = {"graph": "Microsoft Graph", "orders": "Orders API"}[service]

    @contextmanager
    def requiring(self, name: str) -> Iterator[None]:
        """While this lasts, it lets nobody in whose token lacks this authentication context."""
        if self.service == "graph":
            with self._lab.stack.graph.continuous_access.requiring(name):
                yield
        else:
            with orders_app(self._lab, name):
                yield


@contextmanager
def orders_app(lab: Lab, auth_context: str | None) -> Iterator[None]:
    """An Orders API of this test's, whose function wants an authentication context or none."""
    orders_user = RequiresUser(LazyServices(lab.stack.environ("orders"), now=lab.clock))

    @orders_user(scopes=["Orders.Read"], auth_context=auth_context)
    def orders(req: func.HttpRequest, user: User) -> object:
        return {"id": user.id}

    with served({"/api/orders": orders}) as url:
        lab.stack.route("orders", url)
        try:
            yield
        finally:
            lab.stack.route("orders", None)


@pytest.fixture
def api(requires_user: RequiresUser) -> Iterator[Api]:
    """Functions that ask the two APIs behind who the user is, and one of them asynchronously."""

    @requires_user()
    def me(req: func.HttpRequest, user: User) -> object:
        return user.api("Graph").get("/me?$select=id")

    @requires_user()
    def orders(req: func.HttpRequest, user: User) -> object:
        return user.api("Orders").get("/orders")

    @requires_user()
    async def me_async(req: func.HttpRequest, user: AsyncUser) -> object:
        return await user.api("Graph").get("/me?$select=id")

    with served({"/me": me, "/orders": orders, "/me-async": me_async}) as url:
        yield Api(url)


@pytest.fixture(params=[("graph", "/me"), ("graph", "/me-async"), ("orders", "/orders")], ids=lambda given: given[1])
def downstream(request: pytest.FixtureRequest, lab: Lab) -> Downstream:
    service, path = request.param
    return Downstream(service, path, lab)


def test_one_exchange_with_exactly_those_claims_and_the_call_once_more(
    downstream: Downstream, lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    alice = at_lab("alice")
    token = alice.token()
    with orders_app(lab, None):
        assert response(api.call("GET", downstream.path, token))["id"] == PEOPLE["alice"].oid
    (first,) = lab_trail.exchanges
    lab_trail.restart()

    with downstream.requiring("c3"):
        assert response(api.call("GET", downstream.path, token))["id"] == PEOPLE["alice"].oid
        (again,) = lab_trail.exchanges
        assert (again.assertion, again.claims) == (print_of(token), ANYBODY)
        assert (first.claims, first.resource, again.resource) == ({}, downstream.resource, downstream.resource)
        assert lab_trail.calls(downstream.service) == [(first.issued, 401), (again.issued, 200)]

        lab_trail.restart()  # the new token took the place of the refused one
        assert response(api.call("GET", downstream.path, token))["id"] == PEOPLE["alice"].oid
        assert lab_trail.exchanges == []
        assert lab_trail.calls(downstream.service) == [(again.issued, 200)]


def test_many_threads_that_are_refused_at_once_cost_one_exchange(
    downstream: Downstream, lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    token = at_lab("alice").token()
    with orders_app(lab, None):
        response(api.call("GET", downstream.path, token))
    lab_trail.restart()
    with downstream.requiring("c3"):
        lab.stack.faults.add("entra.token", delay=0.5, times=None)  # long enough for all to be refused meanwhile
        replies = at_once(8, lambda _: api.call("GET", downstream.path, token))

    assert {response(reply)["id"] for reply in replies} == {PEOPLE["alice"].oid}
    (again,) = lab_trail.exchanges
    assert again.claims == ANYBODY
    assert {bearer for bearer, status in lab_trail.calls(downstream.service) if status == 200} == {again.issued}


def test_if_it_does_not_help_the_challenge_goes_on_and_the_client_answers_it(
    downstream: Downstream, lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    """Alice has signed in without a second factor: Entra refuses the exchange and asks for the same claims itself."""
    alice = at_lab("alice")
    token = alice.token()
    with downstream.requiring("c1"):
        refused = api.call("GET", downstream.path, token)
        assert claims_challenge(refused) == text_of(MFA)
        first, again = lab_trail.exchanges
        assert ((first.status, first.claims), (again.status, again.claims)) == ((200, {}), (400, MFA))
        assert lab_trail.calls(downstream.service) == [(first.issued, 401)]

        lab_trail.restart()
        reply = api.call("GET", downstream.path, alice.token(claims_challenge(refused)))
        assert response(reply)["id"] == PEOPLE["alice"].oid
        (granted,) = lab_trail.exchanges  # with a second factor, the token for the API behind has c1 at once
        assert (granted.assertion, granted.claims) == (print_of(alice.tokens[1]), {})
        assert lab_trail.calls(downstream.service) == [(granted.issued, 200)]
        assert claims_challenge(api.call("GET", downstream.path, token)) == text_of(MFA)


def test_a_token_that_was_refused_is_not_sent_again(
    downstream: Downstream, lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    """Also where the exchange that was to replace it failed."""
    token = at_lab("alice").token()
    with downstream.requiring("c1"):
        for _ in range(3):
            assert claims_challenge(api.call("GET", downstream.path, token)) == text_of(MFA)
    sent = [bearer for bearer, _ in lab_trail.calls(downstream.service)]
    assert len(sent) == len(set(sent))


def test_it_asks_no_third_time(lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail) -> None:
    """Whatever Graph still wants after the new exchange is the caller's to hear."""
    token = at_lab("alice").token()
    other = {"nbf": {"essential": True, "value": "1"}}
    lab.stack.graph.challenge({"access_token": ANYBODY}, times=1)
    lab.stack.graph.challenge({"access_token": other}, times=1)
    assert claims_challenge(api.call("GET", "/me", token)) == text_of(other)
    assert [exchange.claims for exchange in lab_trail.exchanges] == [{}, ANYBODY]
    assert [status for _, status in lab_trail.calls("graph")] == [401, 401]


def test_sessions_revoked_then_signed_in_again(
    lab: Lab, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    """An administrator revokes alice's sessions. Her token and the API's for Graph are still within their time."""
    alice = at_lab("alice")
    token = alice.token()
    assert response(api.call("GET", "/me", token))["id"] == PEOPLE["alice"].oid
    lab.clock.forward(10)
    revoked_at = lab.clock()
    lab.stack.directory.revoke_sessions("alice", revoked_at)
    lab.clock.forward(10)
    lab_trail.restart()

    refused = api.call("GET", "/me", token)
    claims = json.loads(claims_challenge(refused))["access_token"]
    assert claims["nbf"] == {"essential": True, "value": str(int(revoked_at))}
    (exchange,) = lab_trail.exchanges  # Entra refuses it too, and names no claims: Graph's go on to the caller
    assert (exchange.status, exchange.claims) == (400, claims)

    reply = api.call("GET", "/me", alice.token(claims_challenge(refused)))
    assert response(reply)["id"] == PEOPLE["alice"].oid


def test_an_api_that_has_not_declared_cp1_is_not_challenged(lab: Lab, at_lab: Callable[[str], Someone]) -> None:
    """What the setting AzureAd__ClientCapabilities is for: without it, Graph lets revoked tokens live to their end."""
    alice = at_lab("alice")
    services = lab.services(AzureAd__ClientCapabilities__0=None)
    token = alice.token()
    assert lab.me(services, token) == "Alice Ahlberg"
    lab.clock.forward(10)
    lab.stack.directory.revoke_sessions("alice", lab.clock())
    assert lab.me(services, token) == "Alice Ahlberg"


def test_the_running_apps_do_the_same(live: Live, at_live: Callable[[str], Someone], trail: Trail) -> None:
    olga = at_live("olga")
    with live.stack.graph.continuous_access.requiring("c1"):
        reply = call_as_user(Api(live.api), olga, "GET", "/api/me", tell=lambda _: None)
    assert response(reply)["id"] == PEOPLE["olga"].oid
    assert olga.asked == [None, text_of(MFA)]
    assert [exchange.claims for exchange in trail.exchanges] == [{}, MFA, {}]


def test_a_post_that_was_challenged_is_carried_out_once(
    live: Live, at_live: Callable[[str], Someone], trail: Trail
) -> None:
    """A refused request has done nothing, so this is the one case in which a POST goes out again."""
    token, calls = at_live("olga").token(), Api(live.api)
    headers = {"WWW-Authenticate": bearer_challenge({"access_token": ANYBODY})}
    live.stack.faults.add("orders", status=401, headers=headers, times=1, person="olga")
    added = calls.call("POST", "/api/orders", token, '{"item": "lamp", "quantity": 3}')

    assert (added.status, json.loads(added.text)["item"]) == (201, "lamp")
    assert [exchange.claims for exchange in trail.exchanges] == [{}, ANYBODY]
    assert [status for _, status in trail.calls("orders")] == [401, 201]
    lamps = [order for order in response(calls.call("GET", "/api/orders", token)) if order["item"] == "lamp"]
    assert len(lamps) == 1
