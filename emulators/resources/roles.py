"""Azure roles: those that are assigned to identities, and what the roles of a signed-in developer allow in ARM.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import fnmatch
import uuid
from collections.abc import Collection
from dataclasses import dataclass

ROLES = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Key Vault Reader": "21090545-7ca7-4776-b22c-e363652d74d2",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "Key Vault Certificate User": "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    "Key Vault Certificates Officer": "a4417e6f-fecd-4de8-b567-7b0420556985",
}
"""The ids of built-in roles, the same in every tenant."""

READER, WEBSITE_CONTRIBUTOR = "Reader", "Website Contributor"
ALLOWED = {
    READER: ("*/read",),
    WEBSITE_CONTRIBUTOR: (
        "Microsoft.Authorization/*/read",
        "Microsoft.Insights/components/*",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Web/certificates/*",
        "Microsoft.Web/serverFarms/read",
        "Microsoft.Web/sites/*",
    ),
}
"""What the roles of a developer allow (`actions`). Neither allows anything with data (`dataActions`)."""


@dataclass(frozen=True)
class RoleAssignment:
    """`role` is a key of ROLES, or the id of a role. `scope` is the path of a resource, a group or a subscription."""

    principal_id: str
    role: str
    scope: str

    def document(self, subscription: str) -> dict[str, object]:
        """As ARM shows it."""
        role = ROLES.get(self.role, self.role)
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.scope} {self.principal_id} {role}"))
        kind = "Microsoft.Authorization/roleAssignments"
        return {
            "id": f"{self.scope}/providers/{kind}/{name}",
            "name": name,
            "type": kind,
            "properties": {
                "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}",
                "principalId": self.principal_id,
                "principalType": "ServicePrincipal",
                "scope": self.scope,
                "condition": None,
            },
        }

    def is_near(self, scope: str) -> bool:
        """Whether it is at, above or below that scope."""
        own, other = f"{self.scope.lower()}/", f"{scope.lower()}/"
        return own.startswith(other) or other.startswith(own)


def allows(roles: Collection[str], action: str) -> bool:
    """Whether one of a developer's roles allows this in ARM."""
    patterns = (pattern for role in roles for pattern in ALLOWED[role])
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
