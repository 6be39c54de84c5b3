"""What tokens of the emulated tenant say about guests and agents, and only where the registration asks for it."""

from __future__ import annotations

import pytest

from emulators.applications import AGENT, CLIENT_ID, EXPOSED_CLAIMS
from emulators.stack import Stack

from .support import decode

ABOUT_USERS = ("acct", "xms_act_fct", "xms_sub_fct", "xms_par_app_azp")


def numbers(claims: dict[str, object], name: str) -> set[str]:
    return set(str(claims[name]).split(" "))


@pytest.mark.parametrize(
    ("person", "acct", "actor", "subject"),
    [
        ("alice", 0, False, False),
        ("greta", 1, False, False),
        ("petra", 0, True, False),
        ("robin", 0, True, True),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_token_says_who_its_user_is(
    shared: Stack, person: str, acct: int, actor: bool, subject: bool, version: int
) -> None:
    claims = decode(shared.issue_access_token(person, version=version))
    assert (claims["acct"], claims["idtyp"]) == (acct, "user")
    assert ("11" in numbers(claims, "xms_act_fct"), "13" in numbers(claims, "xms_sub_fct")) == (actor, subject)
    assert claims.get("xms_par_app_azp") == (AGENT.blueprint if actor else None)
    assert claims["azp" if version == 2 else "appid"] == (AGENT.client_id if actor else CLIENT_ID)
    assert len(numbers(claims, "xms_act_fct")) > 1  # with other numbers, as Entra sends them


def test_a_registration_gets_the_claims_that_it_asks_for(stack: Stack) -> None:
    assert EXPOSED_CLAIMS.issuperset(ABOUT_USERS)
    api = stack.directory.applications["api"]
    with stack.directory.unchanged():
        for name in ABOUT_USERS:
            stack.directory.ask_for_claim(api, name, wanted=False)
        claims = decode(stack.issue_access_token("robin"))
    assert set(ABOUT_USERS).isdisjoint(claims)


def test_the_agent_is_the_client_of_the_users_token_alone(stack: Stack) -> None:
    """What the API exchanges it for has the API as the client."""
    claims = decode(stack.issue_access_token("petra", app="graph"))
    assert claims["appid"] == stack.directory.applications["api"].client_id
