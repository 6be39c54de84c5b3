"""Groups of Graph: those in which the caller is, and which of some given ones.

https://learn.microsoft.com/graph/api/user-checkmembergroups
"""

from __future__ import annotations

from starlette.responses import Response

from .applications import GRAPH_URI
from .directory import Directory
from .graph_paging import Pages
from .graph_routes import Call, GraphError, Needs, Route
from .groups import GROUPS
from .requests_io import is_guid, json_object

MAX_CHECKED = 20
CHECK = Needs(
    (
        "User.Read",
        "User.ReadBasic.All + GroupMember.Read.All",
        "User.Read.All + GroupMember.Read.All",
        "Directory.Read.All",
    )
)
_NAMES = frozenset({"GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"})
LIST = Needs(("User.Read", *sorted(_NAMES)))


class Groups:
    """What Graph serves of the groups in the directory."""

    def __init__(self, pages: Pages, directory: Directory) -> None:
        self._pages, self._directory = pages, directory

    def routes(self) -> list[Route]:
        """The two paths."""
        return [
            Route("GET", "/me/memberOf", "groups", LIST, self._list),
            Route("POST", "/me/checkMemberGroups", "check groups", CHECK, self._check),
        ]

    def _list(self, call: Call) -> dict[str, object] | Response:
        """With User.Read alone, Graph names the groups by id, and every other property is null."""
        may_read = not call.scopes.isdisjoint(_NAMES)
        groups = [
            {
                "@odata.type": "#microsoft.graph.group",
                "id": one,
                "displayName": GROUPS.get(one) if may_read else None,
                "securityEnabled": True if may_read else None,
            }
            for one in self._directory.groups(call.person)
        ]
        return self._pages.page(call, "/me/memberOf", "directoryObjects", groups, usual=100)

    def _check(self, call: Call) -> dict[str, object] | Response:
        try:
            asked = json_object(call.body).get("groupIds")
        except ValueError:
            raise _bad("Unable to read JSON request payload.") from None
        if not isinstance(asked, list) or not asked:
            raise _bad("The parameter 'groupIds' is missing or empty.")
        if len(asked) > MAX_CHECKED:
            raise _bad(f"The number of group ids exceeds the maximum of {MAX_CHECKED}.")
        if any(not is_guid(one) for one in asked):
            raise _bad("Invalid object identifier in 'groupIds'.")
        member = set(self._directory.groups(call.person))
        context = f"{GRAPH_URI}/v1.0/$metadata#Collection(Edm.String)"
        return {"@odata.context": context, "value": [one for one in dict.fromkeys(asked) if one.lower() in member]}


def _bad(message: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", message)
