"""Maya needs a second factor for Graph: her call is refused, then succeeds. Her two tokens are kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable

import jwt
import pytest

from client.api import Api, call_as_user, claims_of
from emulators.entra.claims_request import MFA_CLAIMS
from emulators.people import PEOPLE
from tests.support.lab import at_once

from .people import Someone
from .replies import claims_challenge, response
from .trail import Trail, print_of

MFA = json.dumps(MFA_CLAIMS, separators=(",", ":"))


def stepped_up(api: Api, someone: Someone) -> tuple[str, str]:
    """The token that was refused, and the one after the step-up. Only the first has been used."""
    refused = api.call("GET", "/api/me", someone.token())
    second = someone.token(claims_challenge(refused))
    return someone.tokens[0], second


def test_maya_is_refused_steps_up_and_gets_her_own_response(
    api: Api, at_live: Callable[[str], Someone], trail: Trail
) -> None:
    maya, told = at_live("maya"), list[str]()
    reply = call_as_user(api, maya, "GET", "/api/me", tell=told.append)

    assert response(reply)["id"] == PEOPLE["maya"].oid
    assert maya.asked == [None, MFA]
    assert told == [f"The API asks for more: {MFA}\nSigning in again to satisfy it."]
    first, second = map(print_of, maya.tokens)
    refused, granted = trail.exchanges
    assert (refused.assertion, refused.status) == (first, 400)
    assert (granted.assertion, granted.status, granted.claims) == (second, 200, {})
    assert trail.calls("graph") == [(granted.issued, 200)]
    assert len(trail.pages("mfa")) == 1


def test_the_refusal_is_entras_documented_challenge(api: Api, at_live: Callable[[str], Someone]) -> None:
    maya = at_live("maya")
    for path in ("/api/me", "/api/orders"):
        refused = api.call("GET", path, maya.token())
        assert claims_challenge(refused) == MFA
        assert claims_of(refused) == MFA  # what the client reads in it


def test_the_new_sign_in_is_another_token(api: Api, at_live: Callable[[str], Someone]) -> None:
    first, second = (jwt.decode(t, options={"verify_signature": False}) for t in stepped_up(api, at_live("maya")))
    assert "amr" not in first
    assert second["amr"] == ["pwd", "mfa"]
    assert first["oid"] == second["oid"] == PEOPLE["maya"].oid


@pytest.mark.parametrize("order", ["1212", "2121", "2112", "1221", "22112211"])
def test_nothing_of_the_first_token_serves_the_second_or_the_reverse(
    order: str, api: Api, at_live: Callable[[str], Someone], trail: Trail
) -> None:
    tokens = stepped_up(api, at_live("maya"))
    trail.restart()
    for number in order:
        reply = api.call("GET", "/api/me", tokens[int(number) - 1])
        if number == "1":
            assert claims_challenge(reply) == MFA
        else:
            assert response(reply)["id"] == PEOPLE["maya"].oid

    first, second = map(print_of, tokens)
    granted = [exchange for exchange in trail.exchanges if exchange.status == 200]
    refused = [exchange for exchange in trail.exchanges if exchange.status != 200]
    assert [exchange.assertion for exchange in granted] == [second]  # kept from then on
    assert [exchange.assertion for exchange in refused] == [first] * order.count("1")  # a refusal is not kept
    assert trail.calls("graph") == [(granted[0].issued, 200)] * order.count("2")


def test_both_tokens_at_once(api: Api, at_live: Callable[[str], Someone], trail: Trail) -> None:
    tokens = stepped_up(api, at_live("maya"))
    trail.restart()
    replies = at_once(24, lambda number: api.call("GET", "/api/me", tokens[number % 2]))

    assert [reply.status for reply in replies] == [401, 200] * 12
    for refused, granted in zip(replies[::2], replies[1::2], strict=True):
        assert claims_challenge(refused) == MFA
        assert response(granted)["id"] == PEOPLE["maya"].oid
    assert [e.assertion for e in trail.exchanges if e.status == 200] == [print_of(tokens[1])]
    assert {trail.origin(bearer) for bearer, _ in trail.calls("graph")} == {print_of(tokens[1])}


def test_two_tokens_of_one_user_have_each_their_own_downstream_tokens(
    api: Api, at_live: Callable[[str], Someone], trail: Trail
) -> None:
    """Alice needs no step-up. Both of her tokens are valid, and neither gets the other's downstream token."""
    alice = at_live("alice")
    tokens = [alice.token(), alice.token(MFA)]
    for _ in range(2):
        for token in tokens:
            trail.restart()
            for path, service in (("/api/me", "graph"), ("/api/orders", "orders")):
                response(api.call("GET", path, token))
                ((bearer, status),) = trail.calls(service)
                assert (trail.origin(bearer), status) == (print_of(token), 200)
    assert trail.exchanges == []  # in the second round everything was known


def test_a_step_up_on_the_wrong_account_is_answered_as_that_account(
    api: Api, at_live: Callable[[str], Someone]
) -> None:
    refused = api.call("GET", "/api/me", at_live("maya").token())
    alices = at_live("alice").token(claims_challenge(refused))
    assert response(api.call("GET", "/api/me", alices))["id"] == PEOPLE["alice"].oid
