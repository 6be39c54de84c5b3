"""What Flex Consumption refuses is not set, and what it needs is.

https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan and functions-app-settings
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.evaluator import VARIANTS, Deployed, deploy
from tests.infra.project import Project

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
    "runtime.version": ("3.10", "3.11", "3.12", "3.13", "3.14"),
    "scaleAndConcurrency.instanceMemoryMB": (512, 2048, 4096),
}


def problems(project: Project) -> list[str]:
    """Every variant of the deployment is evaluated."""
    found: list[str] = []
    for name, parameters in VARIANTS.items():
        deployment = deploy(project, **parameters)
        plans = {plan.id: plan for plan in deployment.of_type("Microsoft.Web/serverfarms")}
        sites = deployment.of_type("Microsoft.Web/sites")
        used = [site.body["properties"].get("serverFarmId") for site in sites]
        for site in sites:
            found += [f"{site.where} ({name}): {what}" for what in _site(site)]
            if used.count(site.body["properties"].get("serverFarmId")) > 1 or used[0] not in plans:
                found.append(f"{site.where} ({name}): needs a plan of its own: Flex Consumption takes one app each")
        for plan in plans.values():
            sku = plan.body.get("sku", {})
            if (sku.get("name"), sku.get("tier")) != ("FC1", "FlexConsumption"):
                found.append(f"{plan.where}: is no Flex Consumption plan (FC1)")
            if plan.body.get("properties", {}).get("reserved") is not True:
                found.append(f"{plan.where}: reserved must be true: Flex Consumption is Linux")
        for settings in deployment.of_type("Microsoft.Web/sites/config"):
            if settings.name != "appsettings":
                found.append(f"{settings.where}: {settings.name} is set on the site or not at all")
                continue
            for key in settings.body["properties"]:
                if REFUSED_SETTINGS.fullmatch(key):
                    found.append(f"{settings.where} ({name}): Flex Consumption refuses the setting {key}")
    return list(dict.fromkeys(found))


def _site(site: Deployed) -> Iterator[str]:
    properties = site.body["properties"]
    if site.body.get("kind") != "functionapp,linux":
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
    if identity not in site.body.get("identity", {}).get("userAssignedIdentities", {}):
        yield "the identity that fetches the package is not one of the site's"


def at(found: Any, path: str) -> Any:
    """`a.b.c` of nested objects; None when there is none."""
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
