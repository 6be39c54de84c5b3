"""The groups of the tenant, and who is a member. One person is in more of them than a token can name."""

from __future__ import annotations

import uuid

MAX_IN_TOKEN = 200
"""Above this number, Entra puts a link in place of the groups into a token (overage).

https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference#groups-overage-claim
"""


def group_id(name: str) -> str:
    """The object id of the group with this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://contoso.example/groups/{name}"))


_MANY = tuple(f"Project {number}" for number in range(1, MAX_IN_TOKEN + 11))
MEMBERS: dict[str, tuple[str, ...]] = {
    "alice": ("Staff", "Administrators", "Editors"),
    "maya": ("Staff", "Editors"),
    "olga": ("Staff", *_MANY),
}
"""The names of the groups in which somebody is. Olga has an overage."""
GROUPS = {group_id(name): name for name in ("Staff", "Administrators", "Editors", "Nobody", *_MANY)}
"""Every group: its id and its name."""
