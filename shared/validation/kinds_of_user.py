"""What kind of user a token is for: a member or a guest of the tenant; a person, or the account of an agent.

Entra describes agents in claims that hold numbers with spaces between them, in any order. Two numbers count here:
_AGENT_IDENTITY and _AGENT_USER. All others are ignored.
https://learn.microsoft.com/entra/agent-id/agent-token-claims
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..errors import AgentUserNotAllowed, GuestNotAllowed, InvalidToken, UserTokenRequired
from ..settings import TokenSettings, is_guid

_AGENT_IDENTITY, _AGENT_USER = 11, 13
_NUMBERS = re.compile(r"[0-9]{1,9}(?: [0-9]{1,9}){0,63}", re.ASCII)


class Agent(NamedTuple):
    """An agent of Entra Agent ID that calls for a user.

    `blueprint` is the client id of what the agent was made from, or "". Many agents share one blueprint, so use it only
    in logs. `is_user` is True if the user is the agent's own account, and not a person.
    """

    client_id: str
    blueprint: str
    is_user: bool


def admitted_agent(claims: Mapping[str, Any], accepted: TokenSettings) -> Agent | None:
    """The agent in a user's token, if there is one.

    Args:
        claims: the claims of a validated token with a scope.
        accepted: which kinds of users may call.

    Raises:
        GuestNotAllowed: guests may not call, and the user is a guest, or the token does not say.
        AgentUserNotAllowed: the user is the account of an agent, and such accounts may not call.
        UserTokenRequired: the token is for an agent itself, and has no user.
        InvalidToken: a claim about agents is malformed.
    """
    if not accepted.allow_guests:
        _check_member(claims.get("acct"))
    subject, actor = _numbers_in(claims, "xms_sub_fct"), _numbers_in(claims, "xms_act_fct")
    if _AGENT_IDENTITY in subject:
        raise UserTokenRequired(reason="token of an agent without a user")
    is_user = _AGENT_USER in subject
    if is_user and not accepted.allow_agent_users:
        raise AgentUserNotAllowed(reason="account of an agent")
    if not is_user and _AGENT_IDENTITY not in actor:
        return None
    client, blueprint = client_of(claims), claims.get("xms_par_app_azp")
    if not _is_guid(client):
        raise InvalidToken(reason="agent without a client id")
    return Agent(str(client).lower(), str(blueprint).lower() if _is_guid(blueprint) else "", is_user)


def client_of(claims: Mapping[str, Any]) -> object:
    """The client that got the token: `azp`, or `appid` in version 1.0."""
    return claims.get("azp" if claims["ver"] == "2.0" else "appid")


def check_no_user_account(claims: Mapping[str, Any]) -> None:
    """Raises InvalidToken if the token of an application says that it is for the user account of an agent."""
    if _AGENT_USER in _numbers_in(claims, "xms_sub_fct"):
        raise InvalidToken(reason="app-only token of a user account")
    _numbers_in(claims, "xms_act_fct")


def _check_member(acct: object) -> None:
    """`acct` is 0 for a member and 1 for a guest. The registration must ask for this optional claim.

    https://learn.microsoft.com/entra/identity-platform/optional-claims-reference
    """
    if acct is None:
        raise GuestNotAllowed(reason="the token has no claim acct; the registration of the API must ask for it")
    if type(acct) is not int or acct != 0:  # `type`, because False is an int
        raise GuestNotAllowed(reason="guest")


def _numbers_in(claims: Mapping[str, Any], name: str) -> frozenset[int]:
    if name not in claims:
        return frozenset()
    value = claims[name]
    numbers = _numbers(value) if isinstance(value, str) else None
    if numbers is None:
        raise InvalidToken(reason=f"{name} is malformed")
    return numbers


@lru_cache(maxsize=256)
def _numbers(text: str) -> frozenset[int] | None:
    """The numbers. None if the text is malformed. Cached, because few different texts occur in a tenant."""
    return frozenset(map(int, text.split(" "))) if _NUMBERS.fullmatch(text) else None


def _is_guid(value: object) -> bool:
    return isinstance(value, str) and is_guid(value)
