"""The resources of one resource group, by their paths; a path is compared without regard to case, as ARM does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ..applications import API_IDENTITY, ManagedIdentity
from ..people import PEOPLE
from ..vault_attributes import VAULT_HOST
from .roles import READER, WEBSITE_CONTRIBUTOR, RoleAssignment

SUBSCRIPTION = "/subscriptions/5ab5c000-1a2b-4c3d-8e4f-5a6b7c8d9e0f"
GROUP = f"{SUBSCRIPTION}/resourceGroups/obo-local"
SITE, STORAGE, INSIGHTS = "func-obo-local", "stobolocal", "appi-obo-local"
VAULT_NAME = VAULT_HOST.partition(".")[0]
API_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "microsoft.web/sites": ("2023-12-01", "2024-04-01", "2024-11-01", "2025-03-01"),
    "microsoft.managedidentity/userassignedidentities": ("2023-01-31", "2024-11-30"),
    "microsoft.keyvault/vaults": ("2023-07-01", "2024-11-01", "2026-02-01"),
    "microsoft.storage/storageaccounts": ("2023-05-01", "2024-01-01", "2025-08-01"),
    "microsoft.insights/components": ("2020-02-02",),
    "microsoft.cache/redisenterprise": ("2025-04-01", "2025-07-01"),
    "microsoft.cache/redisenterprise/databases/accesspolicyassignments": ("2025-04-01", "2025-07-01"),
    "microsoft.authorization/roleassignments": ("2015-07-01", "2022-04-01"),
    "microsoft.resources/subscriptions": ("2020-01-01", "2022-12-01"),
}
"""The versions that each provider knows, by the type in lower case."""

Document = dict[str, Any]


class Resources:
    """What there is, and who may see it. Safe across threads; a test may change it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, Document] = {}
        self.app_settings: dict[str, dict[str, str]] = {}
        """App settings by the name of the site."""
        self.assignments: list[RoleAssignment] = []
        """Role assignments. Those on the vault are not here: the vault knows them itself."""
        self.developers: dict[str, set[str]] = {PEOPLE["alice"].oid: {READER, WEBSITE_CONTRIBUTOR}}
        """The roles of people on the subscription, by object id."""

    def put(self, path: str, **parts: Any) -> None:
        """Adds a resource, or replaces it. `parts` are those of its document beyond id, name and type."""
        document = {
            "id": path,
            "name": path.rpartition("/")[2],
            "type": type_of(path),
            "location": "westeurope",
            **parts,
        }
        with self._lock:
            self._documents[path.lower()] = document

    def remove(self, path: str) -> None:
        """Deletes a resource."""
        with self._lock:
            self._documents.pop(path.lower(), None)

    def find(self, path: str) -> Document | None:
        """The resource with this path, or None."""
        with self._lock:
            return self._documents.get(path.lower())

    def of_type(self, kind: str) -> list[Document]:
        """Every resource of a type."""
        with self._lock:
            return [one for one in self._documents.values() if one["type"] == kind]

    def clear(self) -> None:
        """Deletes all resources, with their settings and role assignments."""
        with self._lock:
            self._documents.clear()
            self.app_settings.clear()
            self.assignments.clear()

    def below(self, path: str) -> list[Document]:
        """The resources of the list at `path`, such as those of one type in a group."""
        start = f"{path.lower()}/"
        with self._lock:
            every = list(self._documents.items())
        return [one for key, one in every if key.startswith(start) and "/" not in key.removeprefix(start)]


def type_of(path: str) -> str:
    """`Microsoft.Web/sites` of a path that ends with `/providers/Microsoft.Web/sites/NAME`; of a list without NAME."""
    namespace, *rest = path.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]])


def usual_resources(settings: Mapping[str, str]) -> Resources:
    """What the template deploys for the API, and the roles of its identity; `settings`: those of the site."""
    resources = Resources()
    providers = f"{GROUP}/providers"
    identity = API_IDENTITY.resource_id.replace("/resourcegroups/", "/resourceGroups/")
    storage = f"{providers}/Microsoft.Storage/storageAccounts/{STORAGE}"
    insights = f"{providers}/Microsoft.Insights/components/{INSIGHTS}"
    resources.put(identity, properties=_of(API_IDENTITY))
    resources.put(f"{providers}/Microsoft.KeyVault/vaults/{VAULT_NAME}", properties={"enableRbacAuthorization": True})
    resources.put(storage, kind="StorageV2", properties={"allowSharedKeyAccess": False})
    resources.put(insights, kind="web", properties={"Application_Type": "web", "DisableLocalAuth": True})
    resources.put(
        f"{providers}/Microsoft.Web/sites/{SITE}",
        kind="functionapp,linux",
        identity={"type": "UserAssigned", "userAssignedIdentities": {identity: _of(API_IDENTITY)}},
        properties={
            "state": "Running",
            "defaultHostName": f"{SITE}.azurewebsites.net",
            "functionAppConfig": {"deployment": {"storage": _package_storage(STORAGE, identity)}},
        },
    )
    resources.app_settings[SITE] = {
        **settings,
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": API_IDENTITY.client_id,
        "AzureWebJobsStorage__blobServiceUri": f"https://{STORAGE}.blob.core.windows.net/",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=5ab5c0de-0000-4000-8000-0123456789ab",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={API_IDENTITY.client_id};Authorization=AAD",
    }
    resources.assignments += [
        RoleAssignment(API_IDENTITY.principal_id, "Storage Blob Data Owner", storage),
        RoleAssignment(API_IDENTITY.principal_id, "Monitoring Metrics Publisher", insights),
    ]
    return resources


def _of(identity: ManagedIdentity) -> dict[str, str]:
    return {"clientId": identity.client_id, "principalId": identity.principal_id}


def _package_storage(account: str, identity: str) -> dict[str, object]:
    return {
        "type": "blobContainer",
        "value": f"https://{account}.blob.core.windows.net/packages",
        "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity},
    }
