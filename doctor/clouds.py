"""The addresses of Microsoft's services, by the host name of the cloud's Entra.

https://learn.microsoft.com/graph/deployments
https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure
https://learn.microsoft.com/azure/china/resources-developer-guide
"""

from __future__ import annotations

from typing import NamedTuple

from .reading import Service


class Cloud(NamedTuple):
    """`vault_scope`: of a token for any vault of the cloud."""

    graph: Service
    management: Service
    vault_scope: str


def _cloud(graph: str, management: str, vault: str) -> Cloud:
    return Cloud(
        Service("Microsoft Graph", f"https://{graph}", f"https://{graph}/.default"),
        Service("Azure Resource Manager", f"https://{management}", f"https://{management}/.default"),
        f"https://{vault}/.default",
    )


PUBLIC = _cloud("graph.microsoft.com", "management.azure.com", "vault.azure.net")
CLOUDS = {
    "login.microsoftonline.com": PUBLIC,
    "login.microsoftonline.us": _cloud("graph.microsoft.us", "management.usgovcloudapi.net", "vault.usgovcloudapi.net"),
    "login.partner.microsoftonline.cn": _cloud(
        "microsoftgraph.chinacloudapi.cn", "management.chinacloudapi.cn", "vault.azure.cn"
    ),
}


def cloud_of(login: str) -> Cloud:
    """The cloud with this Entra; the public one for a host name that is not known."""
    return CLOUDS.get(login, PUBLIC)
