"""The groups of a user: from the access token, or from Microsoft Graph if the token cannot hold all.

https://learn.microsoft.com/entra/identity-platform/optional-claims#configure-groups-optional-claims
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import BadGateway, ServerMisconfigured
from ..net import Response
from ..settings import is_guid

PATH = "/me/checkMemberGroups"  # https://learn.microsoft.com/graph/api/user-checkmembergroups
MAX_PER_REQUEST = 20
MAX_GROUPS = 1_000


def groups_in(claims: Mapping[str, Any]) -> frozenset[str]:
    """The claim `groups`. Above 200 groups Entra leaves it out, and sets `_claim_names` or `hasgroups` instead.

    Raises:
        ServerMisconfigured: the user has too many groups for the token, or the claim is not a list of texts.
    """
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(elsewhere, dict | list | str) and "groups" in elsewhere):
        raise ServerMisconfigured(
            reason="the user has too many groups for the access token; ask user.member_of([...]) instead of user.groups"
        )
    groups = claims.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise ServerMisconfigured(reason="the claim `groups` of the access token is no list of texts")
    return frozenset(groups)


def questions(groups: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """The bodies of the requests that ask for these groups.

    Raises:
        ValueError: a group is not named by an object id, or there are more than 1,000 groups.
    """
    if isinstance(groups, str):
        raise ValueError("member_of takes a list of groups")
    asked = list(dict.fromkeys(str(group).lower() for group in groups))
    if len(asked) > MAX_GROUPS or not all(map(is_guid, asked)):
        raise ValueError(f"member_of takes the object ids of groups, which are GUIDs, and at most {MAX_GROUPS}")
    for start in range(0, len(asked), MAX_PER_REQUEST):
        yield {"groupIds": asked[start : start + MAX_PER_REQUEST]}


def confirmed(question: Mapping[str, list[str]], response: Response) -> set[str]:
    """The groups of the question that Graph confirms. Raises BadGateway if the response is not a list of ids."""
    body = response.json()
    found = body.get("value") if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(group, str) for group in found):
        raise BadGateway(reason="Graph: checkMemberGroups did not return a list of groups")
    return {group.lower() for group in found}.intersection(question["groupIds"])
