"""`@requires_user(auth_context="c1")`: a user who has not satisfied that policy does so at Entra, and then gets in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import azure.functions as func
import jwt
import pytest

from client.api import Api, call_as_user
from emulators.applications import API
from emulators.people import PEOPLE
from shared import AsyncUser, User
from shared.requires_user import RequiresUser
from tests.support.lab import Lab, at_once

from .people import Someone
from .replies import claims_challenge, response
from .small_app import served
from .trail import Trail, print_of

AUTH_CONTEXTS = ["c1", "c2"]


def context(name: str) -> str:
    """What a challenge for this authentication context asks for."""
    return json.dumps({"access_token": {"acrs": {"essential": True, "value": name}}}, separators=(",", ":"))


def contexts_in(token: str) -> list[str]:
    """The authentication contexts in a token."""
    contexts: list[str] = jwt.decode(token, options={"verify_signature": False}).get("acrs", [])
    return contexts


@pytest.fixture
def api(requires_user: RequiresUser) -> Iterator[Api]:
    """Three functions: one for everybody, one behind each context."""

    @requires_user(scopes=["access_as_user"])
    def plain(req: func.HttpRequest, user: User) -> object:
        return {"id": user.id}

    @requires_user(scopes=["access_as_user"], auth_context="c1")
    def transfer(req: func.HttpRequest, user: User) -> object:
        return user.api("Graph").get("/me?$select=id").json()

    @requires_user(scopes=["access_as_user"], auth_context="c2")
    async def vault(req: func.HttpRequest, user: AsyncUser) -> object:
        return (await user.api("Graph").get("/me?$select=id")).json()

    with served({"/plain": plain, "/c1": transfer, "/c2": vault}) as url:
        yield Api(url)


@pytest.mark.parametrize("name", AUTH_CONTEXTS)
def test_refused_stepped_up_answered(name: str, api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail) -> None:
    alice, path = at_lab("alice"), f"/{name}"
    refused = api.call("GET", path, alice.token())
    assert claims_challenge(refused) == context(name)
    assert lab_trail.exchanges == []  # refused before anything is asked of Entra
    assert contexts_in(alice.tokens[0]) == []

    second = alice.token(claims_challenge(refused))
    assert name in contexts_in(second)
    assert response(api.call("GET", path, second))["id"] == PEOPLE["alice"].oid
    assert [exchange.assertion for exchange in lab_trail.exchanges] == [print_of(second)]


def test_the_client_does_it_by_itself(api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail) -> None:
    alice = at_lab("alice")
    reply = call_as_user(api, alice, "GET", "/c1", tell=lambda _: None)
    assert response(reply)["id"] == PEOPLE["alice"].oid
    assert alice.asked == [None, context("c1")]
    assert lab_trail.pages("mfa") == ["ok: alice signed in with MFA"]


def test_a_second_factor_for_another_reason_serves_as_well(
    api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail
) -> None:
    """The API's registration wants `acrs`: Entra puts in what holds anyway, so that nobody steps up for nothing."""
    maya = at_lab("maya")
    token = maya.token(json.dumps({"access_token": {"capolids": {"essential": True, "values": ["x"]}}}))
    assert response(api.call("GET", "/c1", token))["id"] == PEOPLE["maya"].oid


def test_without_the_optional_claim_every_context_is_asked_for(
    api: Api, lab: Lab, at_lab: Callable[[str], Someone]
) -> None:
    lab.stack.directory.ask_for_claim(API, "acrs", wanted=False)
    try:
        alice = at_lab("alice")
        strong = alice.token(context("c2"))  # more than c1 wants, but c1 was not asked for
        assert claims_challenge(api.call("GET", "/c1", strong)) == context("c1")
        assert response(api.call("GET", "/c1", alice.token(context("c1"))))["id"] == PEOPLE["alice"].oid
    finally:
        lab.stack.directory.ask_for_claim(API, "acrs")


def test_c1_does_not_open_c2(api: Api, at_lab: Callable[[str], Someone]) -> None:
    alice = at_lab("alice")
    for_c1 = alice.token(context("c1"))
    assert response(api.call("GET", "/c1", for_c1))["id"] == PEOPLE["alice"].oid
    assert claims_challenge(api.call("GET", "/c2", for_c1)) == context("c2")

    for_c2 = alice.token(context("c2"))
    assert response(api.call("GET", "/c2", for_c2))["id"] == PEOPLE["alice"].oid
    assert claims_challenge(api.call("GET", "/c2", for_c1)) == context("c2")  # the older token has learned nothing


def test_c2_asks_for_a_passkey_and_c1_for_less(api: Api, at_lab: Callable[[str], Someone], lab_trail: Trail) -> None:
    alice = at_lab("alice")
    for name, methods in (("c1", ["pwd", "mfa"]), ("c2", ["pwd", "fido", "mfa"])):
        token = alice.token(claims_challenge(api.call("GET", f"/{name}", alice.token())))
        assert jwt.decode(token, options={"verify_signature": False})["amr"] == methods


def test_the_old_token_stays_refused_and_the_new_one_good(api: Api, at_lab: Callable[[str], Someone]) -> None:
    alice = at_lab("alice")
    tokens = [alice.token(), alice.token(context("c1"))]
    replies = at_once(12, lambda number: api.call("GET", "/c1", tokens[number % 2]))
    assert [reply.status for reply in replies] == [401, 200] * 6
    for token in tokens:
        assert response(api.call("GET", "/plain", token)) == {"id": PEOPLE["alice"].oid}


def test_maya_satisfies_context_and_policy_in_one_step_up(api: Api, at_lab: Callable[[str], Someone]) -> None:
    """The function wants c1, and Graph behind it a second factor: one sign-in does for both."""
    maya = at_lab("maya")
    token = maya.token(claims_challenge(api.call("GET", "/c1", maya.token())))
    assert response(api.call("GET", "/c1", token))["id"] == PEOPLE["maya"].oid


@pytest.mark.parametrize("acrs", ["c1", "c1 c2", {"c1": True}, [["c1"]], ["c1x"], ["C1"], [1], [], None])
def test_a_claim_of_another_form_opens_nothing(acrs: object, api: Api, lab: Lab) -> None:
    token = lab.stack.issue_access_token("alice", acrs=acrs)
    assert claims_challenge(api.call("GET", "/c1", token)) == context("c1")
    assert response(api.call("GET", "/c1", lab.stack.issue_access_token("alice", acrs=["c9", "c1"])))


def test_whoever_lacks_the_scope_is_told_that_first(api: Api, lab: Lab) -> None:
    """Stepping up would not help this client."""
    reply = api.call("GET", "/c1", lab.stack.issue_access_token("alice", scopes=["something.else"]))
    assert (reply.status, json.loads(reply.text)["code"]) == (403, "insufficient_scope")
