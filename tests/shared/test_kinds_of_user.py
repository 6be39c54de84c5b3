"""Guests, agents that call for a person, and accounts of agents: who is admitted, and what functions and logs see."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import AGENT
from shared import AsyncUser, User
from shared.errors import AgentUserNotAllowed, GuestNotAllowed, InvalidToken, UserTokenRequired
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from shared.validation import Agent
from tests.support.lab import Lab

from .guarded import body_of, reply_of, request
from .test_validator import validated

CLIENT, BLUEPRINT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "6b29fc40-ca47-1067-b31d-00dd010662da"
NO_GUESTS = {"AzureAd__AllowGuests": "false"}
AGENT_USERS = {"AzureAd__AllowAgentUsers": "true"}


def agent_of(changes: dict[str, Any], **settings: str) -> Agent | None:
    """The agent in a token of version 2.0 with these claims."""
    return validated({"azp": CLIENT, "xms_par_app_azp": BLUEPRINT, **changes}, **settings).agent


@pytest.mark.parametrize(
    ("actor", "found"),
    [
        ("11", True),
        ("3 9 11", True),
        ("11 9 3", True),
        ("011", True),
        ("1 3 5 7 9 13", False),
        ("111 1 110", False),
        ("999999999", False),
        (None, False),
    ],
)
def test_an_agent_is_known_by_its_number_among_others_in_any_order(actor: str | None, found: bool) -> None:
    expected = Agent(CLIENT, BLUEPRINT, is_user=False) if found else None
    assert agent_of({"xms_act_fct": actor}) == agent_of({"xms_act_fct": actor, "xms_sub_fct": "2 3"}) == expected


@pytest.mark.parametrize("name", ["xms_act_fct", "xms_sub_fct"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "11 ",
        " 11",
        "11  13",
        "11,13",
        "11\n",
        "11\t13",
        "0x11",
        "-11",
        "+11",
        "1.1",
        "1" * 10,
        "eleven",
        "\u0661\u0661",
    ],
)
def test_numbers_that_are_malformed_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidToken, match=f"{name} is malformed"):
        agent_of({name: value}, **AGENT_USERS)


@pytest.mark.parametrize("name", ["xms_act_fct", "xms_sub_fct"])
@pytest.mark.parametrize("value", [11, 13, 1.5, True, False, ["11"], {"11": 1}, 0, "11 " * 64 + "11"])
def test_what_is_no_text_of_numbers_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidToken, match=f"{name} is malformed"):
        agent_of({name: value}, **AGENT_USERS)


@pytest.mark.parametrize("subject", ["13", "3 13", "13 2 3", "013"])
@pytest.mark.parametrize("more", [{}, {"xms_act_fct": "11"}, {"idtyp": "user"}, {"idtyp": "another"}])
def test_the_account_of_an_agent_is_refused_unless_a_setting_admits_it(subject: str, more: dict[str, str]) -> None:
    with pytest.raises(AgentUserNotAllowed) as raised:
        agent_of({"xms_sub_fct": subject, **more})
    assert (raised.value.status, raised.value.code) == (403, "agent_user_not_allowed")
    assert agent_of({"xms_sub_fct": subject, **more}, **AGENT_USERS) == Agent(CLIENT, BLUEPRINT, is_user=True)


@pytest.mark.parametrize("setting", [{}, AGENT_USERS])
def test_a_token_of_an_agent_itself_has_no_user(setting: dict[str, str]) -> None:
    """Microsoft's example of such a token has the scope `/`, and a `sub` other than its `oid`."""
    with pytest.raises(UserTokenRequired):
        agent_of({"xms_sub_fct": "9 3 11", "xms_act_fct": "3 9 11", "scp": "/"}, **setting)


@pytest.mark.parametrize("client", [None, "", "client", f"{CLIENT}\n", 7, [CLIENT]])
def test_an_agent_without_a_client_id_is_refused(client: object) -> None:
    with pytest.raises(InvalidToken, match="agent without a client id"):
        agent_of({"xms_act_fct": "11", "azp": client})


@pytest.mark.parametrize("blueprint", [None, "", "a blueprint", f"{BLUEPRINT}\n", 7, [BLUEPRINT]])
def test_a_blueprint_is_a_guid_or_unknown(blueprint: object) -> None:
    assert agent_of({"xms_act_fct": "11", "xms_par_app_azp": blueprint}) == Agent(CLIENT, "", is_user=False)
    assert agent_of({"xms_act_fct": "11", "azp": CLIENT.upper()}) == Agent(CLIENT, BLUEPRINT, is_user=False)


def test_the_client_of_an_agent_may_be_named_in_the_settings() -> None:
    assert agent_of({"xms_act_fct": "11"}, AzureAd__AllowedClients=CLIENT)
    with pytest.raises(InvalidToken, match="client application"):
        agent_of({"xms_act_fct": "11"}, AzureAd__AllowedClients=BLUEPRINT)


@pytest.mark.parametrize("acct", [1, 2, -1, "0", "1", "", 0.0, False, True, [0], {}])
def test_who_is_not_clearly_a_member_is_refused_where_guests_are(acct: object) -> None:
    assert validated({"acct": acct})
    with pytest.raises(GuestNotAllowed) as raised:
        validated({"acct": acct}, **NO_GUESTS)
    assert (raised.value.status, raised.value.code, raised.value.reason) == (403, "guest_not_allowed", "guest")


def test_a_token_that_does_not_say_is_refused_with_what_to_do() -> None:
    assert validated({"acct": 0}, **NO_GUESTS)
    assert validated({})
    with pytest.raises(GuestNotAllowed, match="the registration of the API must ask for it"):
        validated({}, **NO_GUESTS)


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def called(
    lab: Lab, kind: str, person: str, settings: Mapping[str, str] = MappingProxyType({}), version: int = 2
) -> func.HttpResponse:
    """The response of a function that returns the agent and asks Graph for the name."""
    requires_user = RequiresUser(LazyServices(lab.environ(**settings), now=lab.clock, sleep=lab.clock.forward))

    @requires_user()
    def show(req: func.HttpRequest, user: User) -> object:
        return {"agent": user.agent, "name": user.api("Graph").get("/me").json()["displayName"]}

    @requires_user()
    async def show_async(req: func.HttpRequest, user: AsyncUser) -> object:
        return {"agent": user.agent, "name": (await user.api("Graph").get("/me")).json()["displayName"]}

    token = lab.stack.issue_access_token(person, version=version)
    return reply_of(show if kind == "def" else show_async, req=request(token))


@pytest.mark.parametrize("version", [1, 2])
def test_a_person_through_an_agent_is_served_and_the_log_names_the_agent(
    lab: Lab, kind: str, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    reply = called(lab, kind, "petra", version=version)
    agent = [AGENT.client_id, AGENT.blueprint, False]
    assert (reply.status_code, body_of(reply)) == (200, {"agent": agent, "name": "Petra Paulsen"})
    assert f" agent={AGENT.client_id} " in caplog.text


def test_a_person_without_an_agent_has_none(lab: Lab, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    reply = called(lab, kind, "alice", NO_GUESTS)
    assert (reply.status_code, body_of(reply)) == (200, {"agent": None, "name": "Alice Ahlberg"})
    assert " agent=" not in caplog.text


def test_the_account_of_an_agent_is_served_only_by_a_setting(
    lab: Lab, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    mark = lab.stack.audit.mark()
    reply = called(lab, kind, "robin")
    assert (reply.status_code, body_of(reply)["code"]) == (403, "agent_user_not_allowed")
    assert "WWW-Authenticate" not in reply.headers
    assert lab.exchanges(mark) == []
    assert 'code=agent_user_not_allowed reason="account of an agent"' in caplog.text
    reply = called(lab, kind, "robin", AGENT_USERS)
    agent = [AGENT.client_id, AGENT.blueprint, True]
    assert (reply.status_code, body_of(reply)) == (200, {"agent": agent, "name": "Robin Ridge"})


@pytest.mark.parametrize("version", [1, 2])
def test_a_guest_is_served_unless_a_setting_says_otherwise(lab: Lab, kind: str, version: int) -> None:
    assert called(lab, kind, "greta", version=version).status_code == 200
    mark = lab.stack.audit.mark()
    reply = called(lab, kind, "greta", NO_GUESTS, version)
    assert (reply.status_code, body_of(reply)["code"]) == (403, "guest_not_allowed")
    assert "WWW-Authenticate" not in reply.headers
    assert lab.exchanges(mark) == []


def test_a_registration_that_does_not_ask_lets_nobody_in_where_guests_are_refused(
    lab: Lab, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    api = lab.stack.directory.applications["api"]
    with lab.stack.directory.unchanged():
        lab.stack.directory.ask_for_claim(api, "acct", wanted=False)
        reply = called(lab, kind, "alice", NO_GUESTS)
    assert (reply.status_code, body_of(reply)["code"]) == (403, "guest_not_allowed")
    assert "the registration of the API must ask for it" in caplog.text
