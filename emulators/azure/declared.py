"""The Azure services that local-stack.toml declares, with what Azure calls them: resource, host name, roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

READ, WRITE, LIST = "read", "write", "list"
"""What a role lets its holder do. `list` alone is for names without contents."""

SCOPE = "user_impersonation"
"""The only delegated permission that each of the three resources has."""


@dataclass(frozen=True)
class Kind:
    """One kind of service: its resource in Entra, its host names, and its built-in roles with what they allow.

    Roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    """

    service: str
    title: str
    client_id: str
    resource: str
    host: str
    roles: Mapping[str, frozenset[str]]

    @property
    def application(self) -> str:
        """Short name of its service principal in the directory. No API of the table can have it."""
        return f"azure-{self.service}"


_EVERYTHING, _READING = frozenset({LIST, READ, WRITE}), frozenset({LIST, READ})

KINDS = {
    kind.service: kind
    for kind in (
        Kind(
            "storage",
            "Azure Storage",
            "e406a681-f3d4-42a8-90b6-c2b029497af1",
            "https://storage.azure.com",
            "{key}local.blob.core.windows.net",
            {
                "Storage Blob Data Reader": _READING,
                "Storage Blob Data Contributor": _EVERYTHING,
                "Storage Blob Data Owner": _EVERYTHING,
            },
        ),
        Kind(
            "search",
            "Azure AI Search",
            "880da380-985e-4198-81b9-e05b1cc53158",
            "https://search.azure.com",
            "{key}-local.search.windows.net",
            {"Search Index Data Reader": _READING, "Search Index Data Contributor": _EVERYTHING},
        ),
        Kind(
            "vault",
            "Azure Key Vault",
            "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
            "https://vault.azure.net",
            "{key}-local.vault.azure.net",
            {
                "Key Vault Reader": frozenset({LIST}),
                "Key Vault Secrets User": _READING,
                "Key Vault Secrets Officer": _EVERYTHING,
            },
        ),
    )
}
"""By the value of `service` in the table."""


@dataclass(frozen=True)
class AzureService:
    """One entry `[azure.NAME]`. `roles` says who holds each role on it."""

    name: str
    service: str
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its short name: in the timeline, and as a fault target."""
        return self.name.lower()

    @property
    def kind(self) -> Kind:
        """What all services of its kind have in common."""
        return KINDS[self.service]

    @property
    def host(self) -> str:
        """The host name that leads to it, through the gateway."""
        return self.kind.host.format(key=self.key)

    @property
    def base_url(self) -> str:
        """The setting `DownstreamApis__<name>__BaseUrl` of the API."""
        return f"https://{self.host}"

    @property
    def full_scopes(self) -> str:
        """The setting `DownstreamApis__<name>__Scopes` of the API."""
        return f"{self.kind.resource}/.default"
