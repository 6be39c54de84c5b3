"""Settings that Flex Consumption refuses are absent, and settings that it needs are present.

https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan and functions-app-settings
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.infra.project import Deployment, Resource, at, label
from tests.infra.rules import deployment_rule
from tests.infra.rules.settings import app_settings

REFUSED_SETTINGS = re.compile(
    r"""
    FUNCTIONS_(WORKER_RUNTIME(_VERSION)?|EXTENSION_VERSION|WORKER_PROCESS_COUNT|MAX_HTTP_CONCURRENCY
              |WORKER_DYNAMIC_CONCURRENCY_ENABLED)
    |SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|BUILD_FLAGS|XDG_CACHE_HOME
    |WEBSITE_(RUN_FROM_PACKAGE.*|CONTENT.*|LOAD_CERTIFICATES|TIME_ZONE|DNS_SERVER|VNET_ROUTE_ALL
             |MAX_DYNAMIC_APPLICATION_SCALE_OUT|NODE_DEFAULT_VERSION|SKIP_CONTENTSHARE_VALIDATION)
    |TZ|AzureWebJobsStorage|AzureWebJobsDashboard
    """,
    re.VERBOSE | re.IGNORECASE,
)
SITE_CONFIG = ("minTlsVersion", "http20Enabled", "cors")  # everything else ARM refuses (51021) or ignores
SITE = (
    "serverFarmId",
    "httpsOnly",
    "clientAffinityEnabled",
    "publicNetworkAccess",
    "virtualNetworkSubnetId",
    "functionAppConfig",
    "siteConfig",
    "keyVaultReferenceIdentity",
)
NEEDED = (
    "deployment.storage.type",
    "deployment.storage.value",
    "deployment.storage.authentication.type",
    "deployment.storage.authentication.userAssignedIdentityResourceId",
    "runtime.name",
    "runtime.version",
    "scaleAndConcurrency.instanceMemoryMB",
    "scaleAndConcurrency.maximumInstanceCount",
    "scaleAndConcurrency.triggers.http.perInstanceConcurrency",
)
EXACTLY = {
    "deployment.storage.type": ("blobContainer",),
    "deployment.storage.authentication.type": ("UserAssignedIdentity",),
    "runtime.name": ("python",),
    "runtime.version": ("3.11", "3.12", "3.13", "3.14"),
    "scaleAndConcurrency.instanceMemoryMB": (512, 2048, 4096),
}
CONCURRENCY = "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency"
THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"


@deployment_rule()
def sites(deployment: Deployment) -> Iterator[str]:
    """Each site has what Flex Consumption needs, nothing it refuses, and a plan of its own."""
    plans = {plan["id"] for plan in deployment.of_type("Microsoft.Web/serverfarms")}
    found = deployment.of_type("Microsoft.Web/sites")
    used = [at(site, "properties.serverFarmId") for site in found]
    for site, plan in zip(found, used, strict=True):
        yield from (f"{label(site)}: {what}" for what in _site(site))
        if used.count(plan) > 1 or plan not in plans:
            yield f"{label(site)}: needs a plan of its own: Flex Consumption takes one app each"


@deployment_rule()
def plans(deployment: Deployment) -> Iterator[str]:
    """Each plan is one of Flex Consumption."""
    for plan in deployment.of_type("Microsoft.Web/serverfarms"):
        if (at(plan, "sku.name"), at(plan, "sku.tier")) != ("FC1", "FlexConsumption"):
            yield f"{label(plan)}: is no Flex Consumption plan (FC1)"
        if at(plan, "properties.reserved") is not True:
            yield f"{label(plan)}: reserved must be true: Flex Consumption is Linux"


@deployment_rule()
def settings(deployment: Deployment) -> Iterator[str]:
    """No app setting is one that Flex Consumption refuses."""
    for resource in deployment.of_type("Microsoft.Web/sites/config"):
        if not resource["name"].endswith("/appsettings"):
            yield f"{label(resource)}: is set on the site or not at all"
            continue
        for key in resource["properties"]:
            if REFUSED_SETTINGS.fullmatch(key):
                yield f"{label(resource)}: Flex Consumption refuses the setting {key}"


@deployment_rule()
def threads(deployment: Deployment) -> Iterator[str]:
    """An instance has as many threads as requests at a time. By default it has 5 or 1,000 threads."""
    for site in deployment.of_type("Microsoft.Web/sites"):
        wanted, given = at(site, CONCURRENCY), app_settings(deployment).get(site["name"], {}).get(THREADS)
        if given != str(wanted):
            yield f"{label(site)}: {THREADS} is {given} and perInstanceConcurrency {wanted}; they must be one number"


def _site(site: Resource) -> Iterator[str]:
    properties = site["properties"]
    if site.get("kind") != "functionapp,linux":
        yield "kind must be functionapp,linux"
    for key in sorted(set(properties) - set(SITE)):
        yield f"{key} is not for Flex Consumption"
    for key in sorted(set(properties.get("siteConfig", {})) - set(SITE_CONFIG)):
        yield f"Flex Consumption refuses siteConfig.{key}"
    config = properties.get("functionAppConfig", {})
    for wanted in NEEDED:
        value = at(config, wanted)
        if value is None:
            yield f"functionAppConfig.{wanted} is missing"
        elif wanted in EXACTLY and value not in EXACTLY[wanted]:
            yield f"functionAppConfig.{wanted} cannot be {value!r}"
    if not str(at(config, "deployment.storage.value")).startswith("https://"):
        yield "functionAppConfig.deployment.storage.value is no address of a container"
    identity = at(config, "deployment.storage.authentication.userAssignedIdentityResourceId")
    if identity not in (at(site, "identity.userAssignedIdentities") or {}):
        yield "the identity that fetches the package is not one of the site's"
