"""A private network: each closed resource has an endpoint, and the network resolves the name of each endpoint.

https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#virtual-network-integration and
https://learn.microsoft.com/azure/private-link/private-endpoint-dns
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from tests.infra.project import Deployment, Resource, at, label
from tests.infra.rules import deployment_rule
from tests.infra.rules.settings import service_of

ENDPOINT, ZONE = "Microsoft.Network/privateEndpoints", "Microsoft.Network/privateDnsZones"
GROUP, LINK, NETWORK = (
    f"{ENDPOINT}/privateDnsZoneGroups",
    f"{ZONE}/virtualNetworkLinks",
    "Microsoft.Network/virtualNetworks",
)
SITE = "Microsoft.Web/sites"
# The part of a resource that its private endpoint leads to.
CLOSED = {
    "Microsoft.Storage/storageAccounts": "blob",
    "Microsoft.KeyVault/vaults": "vault",
    "Microsoft.Cache/redisEnterprise": "redisEnterprise",
}
# The parameter that closes the site of a service.
CLOSED_BY: dict[str, str] = {}
CLOSED_BY["orders"] = "ordersPrivate"  # <orders/>
PARTS = {**CLOSED, SITE: "sites"}
FLEX = "Microsoft.App/environments"
SMALLEST = 27


@deployment_rule()
def closed(deployment: Deployment) -> Iterator[str]:
    """Storage, vault and cache are closed exactly when that is asked for; the API never is."""
    private = deployment.parameters["privateNetwork"]
    for kind in CLOSED:
        for resource in deployment.of_type(kind):
            if (at(resource, "properties.publicNetworkAccess") == "Disabled") != private:
                yield f"{label(resource)}: publicNetworkAccess must be {'Disabled' if private else 'Enabled'}"
    for site in deployment.of_type(SITE):
        wanted = bool(deployment.parameters.get(CLOSED_BY.get(service_of(site), "")))
        if (at(site, "properties.publicNetworkAccess") == "Disabled") != wanted:
            yield f"{label(site)}: publicNetworkAccess must be {'Disabled' if wanted else 'Enabled'}"


@deployment_rule()
def ways_in(deployment: Deployment) -> Iterator[str]:
    """Each resource that is closed has a private endpoint that leads to the right part of it."""
    led_to = {(one["privateLinkServiceId"], part) for one in _connections(deployment) for part in one["groupIds"]}
    targets = [resource for kind in PARTS for resource in deployment.of_type(kind) if _is_closed(resource)]
    wanted = {(resource["id"], PARTS[resource["type"]]) for resource in targets}
    if deployment.parameters["privateNetwork"] and deployment.parameters["existingVaultId"]:
        wanted.add((deployment.parameters["existingVaultId"], "vault"))
    for target, part in sorted(wanted - led_to):
        yield f"{target} is closed and has no private endpoint for {part}"


@deployment_rule()
def names(deployment: Deployment) -> Iterator[str]:
    """Each private endpoint has the zone of its kind, which is in this deployment."""
    zones = {zone["id"] for zone in deployment.of_type(ZONE)}
    found = _zones_by_endpoint(deployment)
    for endpoint in deployment.of_type(ENDPOINT):
        its = found.get(endpoint["id"], [])
        if not its:
            yield f"{label(endpoint)}: has no DNS zone, so its name leads to the address that is closed"
        yield from (f"{label(endpoint)}: its zone {zone} is not deployed" for zone in its if zone not in zones)
        for part in _parts(endpoint):
            expected = _zone_of(deployment, part)
            if expected and its and not any(zone.endswith(f"/{expected}") for zone in its):
                yield f"{label(endpoint)}: {part} is found in the zone {expected}, and not in {its}"


@deployment_rule()
def links(deployment: Deployment) -> Iterator[str]:
    """Each zone is linked to the network, or the network does not see it."""
    networks = {network["id"] for network in deployment.of_type(NETWORK)}
    linked = {
        link["id"].rpartition("/virtualNetworkLinks/")[0]
        for link in deployment.of_type(LINK)
        if at(link, "properties.virtualNetwork.id") in networks
    }
    for zone in deployment.of_type(ZONE):
        if zone["id"] not in linked:
            yield f"{label(zone)}: has no link to the network, which does not see it"


@deployment_rule()
def ways_out(deployment: Deployment) -> Iterator[str]:
    """Each app calls from a subnet of its own, delegated and large enough. Endpoints are in another subnet."""
    subnets = _subnets(deployment)
    used = [at(site, "properties.virtualNetworkSubnetId") for site in deployment.of_type(SITE)]
    for site, subnet in zip(deployment.of_type(SITE), used, strict=True):
        if not deployment.parameters["privateNetwork"]:
            continue
        if subnet not in subnets:
            yield f"{label(site)}: calls out from no subnet of the network"
            continue
        yield from (f"{label(site)}: its subnet {what}" for what in _subnet_for_flex(subnets[subnet]))
        if used.count(subnet) > 1:
            yield f"{label(site)}: shares its subnet with another app"
    for endpoint in deployment.of_type(ENDPOINT):
        subnet = at(endpoint, "properties.subnet.id")
        if subnet not in subnets or _delegations(subnets[subnet]):
            yield f"{label(endpoint)}: must be in a subnet of the network that is delegated to nobody"


@deployment_rule(makers=True)
def nothing_unasked(deployment: Deployment) -> Iterator[str]:
    """Without the option there is no network."""
    if not deployment.parameters["privateNetwork"]:
        kinds = (resource for resource in deployment.resources if resource["type"].startswith("Microsoft.Network/"))
        yield from (f"{label(resource)}: nobody asked for a network" for resource in kinds)


def _is_closed(resource: Resource) -> bool:
    return bool(at(resource, "properties.publicNetworkAccess") == "Disabled")


def _connections(deployment: Deployment) -> Iterator[dict[str, Any]]:
    for endpoint in deployment.of_type(ENDPOINT):
        for connection in at(endpoint, "properties.privateLinkServiceConnections") or ():
            yield connection["properties"]


def _parts(endpoint: Resource) -> list[str]:
    connections = at(endpoint, "properties.privateLinkServiceConnections") or ()
    return [part for each in connections for part in each["properties"]["groupIds"]]


def _zones_by_endpoint(deployment: Deployment) -> dict[str, list[str]]:
    return {
        group["id"].rpartition("/privateDnsZoneGroups/")[0]: [
            each["properties"]["privateDnsZoneId"] for each in at(group, "properties.privateDnsZoneConfigs") or ()
        ]
        for group in deployment.of_type(GROUP)
    }


def _zone_of(deployment: Deployment, part: str) -> str | None:
    """The name of the zone for a part, in the cloud of the deployment; None for one that is a user's own."""
    facts = json.loads(deployment.texts["infra/clouds.json"])[deployment.parameters["cloud"]]
    known = {
        "blob": f"privatelink.blob.{facts['storageSuffix']}",
        "vault": facts["vaultZone"],
        "redisEnterprise": facts["cacheZone"],
        "sites": facts["sitesZone"],
    }
    return known.get(part)


def _subnets(deployment: Deployment) -> dict[str, Resource]:
    """The subnets of all networks, by id."""
    return {
        f"{network['id']}/subnets/{subnet['name']}": subnet
        for network in deployment.of_type(NETWORK)
        for subnet in at(network, "properties.subnets") or ()
    }


def _delegations(subnet: Resource) -> list[str]:
    return [each["properties"]["serviceName"] for each in at(subnet, "properties.delegations") or ()]


def _subnet_for_flex(subnet: Resource) -> Iterator[str]:
    if _delegations(subnet) != [FLEX]:
        yield f"must be delegated to {FLEX}"
    if "_" in subnet["name"]:
        yield f"{subnet['name']} has an underscore in its name, which Flex Consumption does not take"
    if ipaddress.ip_network(subnet["properties"]["addressPrefix"]).prefixlen > SMALLEST:
        yield f"must be /{SMALLEST} or larger"
