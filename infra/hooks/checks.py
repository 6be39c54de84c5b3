"""The checks before provisioning, in the order of the list at the end. None of them changes anything.

A check returns None when all is well, or the Problem; it raises azd.UnavailableError when it cannot tell.
"""

from __future__ import annotations

import fnmatch
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import azd
import options

TYPE_AGAIN = "azd provision"

# A deployment registers the providers of its own resources, but not these, which the certificate script needs.
SCRIPT_PROVIDERS = ("Microsoft.ContainerInstance", "Microsoft.Storage")
# A subnet is delegated to it, and a delegation registers nothing.
NETWORK_PROVIDERS = ("Microsoft.App",)

# Role template ids are the same in every tenant.
# https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
CONSENT_ROLES = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
}
REGISTRATION_ROLES = {
    "cf1c38e5-3621-4004-a7cb-879624dced7c": "Application Developer",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
}
ASSIGN_ROLES = "Microsoft.Authorization/roleAssignments/write"
ACTIONS = {
    "Microsoft.Resources/subscriptions/resourceGroups/write": "Contributor",
    ASSIGN_ROLES: "Role Based Access Control Administrator",
}
SHARED_KEY = "Microsoft.Storage/storageAccounts/allowSharedKeyAccess"


@dataclass(frozen=True)
class Target:
    """Where azd will provision: the variables of the azd environment."""

    environment: str
    subscription: str
    tenant: str
    makes_certificate: bool
    grants_consent: bool

    @classmethod
    def told(cls) -> Target:
        return cls(
            environment=azd.told("AZURE_ENV_NAME"),
            subscription=azd.told("AZURE_SUBSCRIPTION_ID"),
            tenant=azd.told("AZURE_TENANT_ID"),
            makes_certificate=options.makes_certificate(),
            grants_consent=options.on("grantAdminConsent"),
        )


@dataclass(frozen=True)
class Problem:
    """What it means, and the commands to type, in order."""

    meaning: str
    commands: tuple[str, ...]


def options_agree(_: Target) -> Problem | None:
    refused = options.refusals()
    if not refused:
        return None
    named = dict.fromkeys(variable for sentence in refused for variable in options.named_in(sentence))
    return Problem("\n".join(refused), (*(f"azd env set {variable} ..." for variable in named), TYPE_AGAIN))


def cloud_takes_registrations(target: Target) -> Problem | None:
    """The Graph extension of Bicep is for the public cloud. In other clouds somebody registers the apps by hand."""
    if options.registrations_are_theirs():
        return None
    cloud = _account("--subscription", _subscription(target)).get("environmentName", options.AZURE_CLOUD)
    if cloud == options.AZURE_CLOUD:
        return None
    return Problem(
        options.sentence("cloudWithoutRegistrations"), ("azd env set EXISTING_API_CLIENT_ID ...", TYPE_AGAIN)
    )


def signed_in(target: Target) -> Problem | None:
    state = azd.output("azd", "auth", "status")
    if isinstance(state, dict) and state.get("status") == "unauthenticated":
        tenant = f" --tenant-id {target.tenant}" if target.tenant else ""
        return Problem("azd is not signed in, or its sign-in has expired.", (f"azd auth login{tenant}",))
    return None


def right_tenant(target: Target) -> Problem | None:
    """The app registrations are made in the subscription's tenant, even if AZURE_TENANT_ID names another."""
    tenant = _tenant_of(target)
    if target.tenant and target.tenant.lower() != tenant.lower():
        meaning = f"AZURE_TENANT_ID is {target.tenant}, and the subscription belongs to the tenant {tenant}."
        commands = (f"azd env set AZURE_TENANT_ID {tenant}", f"azd auth login --tenant-id {tenant}", TYPE_AGAIN)
        return Problem(meaning, commands)
    return None


def azure_rights(target: Target) -> Problem | None:
    scope = f"/subscriptions/{_subscription(target)}"
    lacking = _lacking(scope, ACTIONS)
    if not lacking:
        return None
    meaning = f"You lack the role {' and the role '.join(lacking)} on the subscription. Have an Owner type:"
    person = _account().get("user", {}).get("name") or "YOUR-ACCOUNT"
    grants = (f'az role assignment create --assignee {person} --role "{role}" --scope {scope}' for role in lacking)
    return Problem(meaning, (*grants, TYPE_AGAIN))


def entra_rights(target: Target) -> Problem | None:
    """Who may register apps: members where the tenant lets them, otherwise the holders of certain roles."""
    if options.registrations_are_theirs():
        return None
    account = _account_in(_tenant_of(target))
    if account.get("user", {}).get("type") != "user":
        raise azd.UnavailableError("a service principal is signed in, whose rights in Graph are not shown")
    graph = options.graph_of(str(account.get("environmentName")))
    held = _directory_roles(graph)
    if target.grants_consent and not held & CONSENT_ROLES.keys():
        meaning = f"GRANT_ADMIN_CONSENT is true, and you hold none of: {', '.join(CONSENT_ROLES.values())}."
        return Problem(meaning, ("azd env set GRANT_ADMIN_CONSENT false", TYPE_AGAIN))
    if held & REGISTRATION_ROLES.keys():
        return None
    me = azd.get(f"{graph}/me", "$select=id,userType")
    policy = azd.get(f"{graph}/policies/authorizationPolicy")
    open_to_members = policy.get("defaultUserRolePermissions", {}).get("allowedToCreateApps")
    if open_to_members is None:
        raise azd.UnavailableError("the tenant does not show who may register apps")
    if open_to_members and me.get("userType") != "Guest":
        return None
    meaning = (
        "You may not register apps in this tenant. Have an administrator give you the role Application Developer in\n"
        "the Entra admin center, or activate it there if you are eligible for it, and then type:"
    )
    return Problem(meaning, (TYPE_AGAIN,))


def providers(target: Target) -> Problem | None:
    listed = azd.az(
        "provider", "list", "--subscription", _subscription(target), "--query", "[].[namespace,registrationState]"
    )
    states = {str(name).lower(): state for name, state in listed or []}
    needed = [*(SCRIPT_PROVIDERS if target.makes_certificate else ())]
    needed += NETWORK_PROVIDERS if options.on("privateNetwork") else ()
    missing = [name for name in needed if states.get(name.lower()) not in ("Registered", "Registering")]
    if not missing:
        return None
    meaning = f"Not registered in the subscription: {', '.join(missing)}."
    register = f"--subscription {target.subscription} --wait"
    return Problem(meaning, (*(f"az provider register --namespace {name} {register}" for name in missing), TYPE_AGAIN))


def storage_keys(target: Target) -> Problem | None:
    """A deployment script mounts a file share by key: a policy against storage keys, by refusal or change, breaks it.

    https://learn.microsoft.com/rest/api/policy/policy-restrictions/check-at-subscription-scope
    """
    if not target.makes_certificate:
        return None
    url = f"/subscriptions/{_subscription(target)}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions"
    account = {
        "type": "Microsoft.Storage/storageAccounts",
        "location": azd.told("AZURE_LOCATION", "westeurope"),
        "properties": {"allowSharedKeyAccess": True},
    }
    question = {
        "resourceDetails": {"resourceContent": account, "apiVersion": "2023-01-01"},
        "pendingFields": [{"field": SHARED_KEY, "values": ["true"]}],
    }
    restrictions = _post(f"{url}?api-version=2023-03-01", question)
    if not _forbids_keys(restrictions):
        return None
    meaning = "A policy forbids storage accounts with shared keys, and the script that makes the certificate needs one."
    return Problem(meaning, ("azd env set CLIENT_CREDENTIAL managedIdentity", TYPE_AGAIN))


def deleted_vault(target: Target) -> Problem | None:
    """A deleted vault keeps its name, and a new one for the same environment would have that name."""
    if not target.makes_certificate:
        return None
    listed = azd.az("keyvault", "list-deleted", "--resource-type", "vault", "--subscription", _subscription(target))
    for vault in listed or []:
        properties = vault.get("properties", {})
        name, location = vault.get("name"), str(properties.get("location"))
        ours = (properties.get("tags") or {}).get("azd-env-name") == target.environment
        if not ours or location != azd.told("AZURE_LOCATION", location):  # the name depends on the region, too
            continue
        meaning = f"The deleted vault {name} of this environment still holds its name."
        if properties.get("purgeProtectionEnabled"):
            until = properties.get("scheduledPurgeDate")
            return Problem(f"{meaning} It is protected until {until}; use another environment.", ("azd env new",))
        purge = f"az keyvault purge --name {name} --location {location} --subscription {target.subscription}"
        return Problem(meaning, (purge, TYPE_AGAIN))
    return None


def given_vault(_: Target) -> Problem | None:
    """The existing vault uses Azure RBAC, and you may assign the API a role."""
    vault = options.text("existingVaultId")
    if not vault or options.refusals():
        return None
    found = azd.get(vault, "api-version=2023-07-01")
    if not found.get("properties", {}).get("enableRbacAuthorization"):
        meaning = (
            "The vault in EXISTING_VAULT_ID decides by access policies and not by roles. Have its owner change that,\n"
            "or give another vault:"
        )
        return Problem(meaning, ("azd env set EXISTING_VAULT_ID ...", TYPE_AGAIN))
    lacking = _lacking(vault, {ASSIGN_ROLES: ACTIONS[ASSIGN_ROLES]})
    if not lacking:
        return None
    person = _account().get("user", {}).get("name") or "YOUR-ACCOUNT"
    grant = f'az role assignment create --assignee {person} --role "{lacking[0]}" --scope {vault}'
    meaning = f"You lack the role {lacking[0]} on the vault in EXISTING_VAULT_ID. Have its owner type:"
    return Problem(meaning, (grant, TYPE_AGAIN))


CHECKS: dict[str, Callable[[Target], Problem | None]] = {
    "the options go together": options_agree,
    "azd is signed in": signed_in,
    "the tenant is that of the subscription": right_tenant,
    "apps can be registered in this cloud": cloud_takes_registrations,
    "you may create resources and assign roles": azure_rights,
    "you may register apps in Entra": entra_rights,
    "resource providers are registered": providers,
    "no policy stands in the way of the certificate": storage_keys,
    "no deleted vault holds the name": deleted_vault,
    "the vault given can be used": given_vault,
}


def _subscription(target: Target) -> str:
    if not target.subscription:
        raise azd.UnavailableError("azd has not been told a subscription yet")
    return target.subscription


def _account(*arguments: str) -> dict[str, Any]:
    try:
        return azd.az_object("account", "show", *arguments)
    except azd.UnavailableError as problem:
        if "not installed" in str(problem):
            raise azd.UnavailableError("the Azure CLI (az) is not installed") from None
        raise azd.UnavailableError(f"the Azure CLI cannot see the subscription: {problem}") from None


def _tenant_of(target: Target) -> str:
    return str(_account("--subscription", _subscription(target)).get("tenantId") or "")


def _account_in(tenant: str) -> dict[str, Any]:
    """The account for requests to Graph: the current one of the Azure CLI."""
    account = _account()
    if str(account.get("tenantId")).lower() != tenant.lower():
        raise azd.UnavailableError(f"the Azure CLI is in another tenant; az login --tenant {tenant} first")
    return account


def _directory_roles(graph: str) -> set[str]:
    groups_and_roles = azd.get(f"{graph}/me/transitiveMemberOf", "$top=999").get("value") or []
    return {str(one.get("roleTemplateId")) for one in groups_and_roles if one.get("roleTemplateId")}


def _lacking(scope: str, actions: dict[str, str]) -> list[str]:
    """The roles, of those given by action, that you lack on a scope."""
    found = azd.get(f"{scope}/providers/Microsoft.Authorization/permissions", "api-version=2022-04-01")
    permissions = found.get("value") or []
    lacking = [role for action, role in actions.items() if not any(_grants(one, action) for one in permissions)]
    if lacking and found.get("nextLink"):
        raise azd.UnavailableError("the list of your permissions goes on")
    return lacking


def _grants(permission: dict[str, Any], action: str) -> bool:
    def named(patterns: Any) -> bool:
        return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower()) for pattern in patterns or [])

    return named(permission.get("actions")) and not named(permission.get("notActions"))


def _forbids_keys(restrictions: dict[str, Any]) -> bool:
    for field in restrictions.get("fieldRestrictions") or []:
        if str(field.get("field")).lower() != SHARED_KEY.lower():
            continue
        for one in field.get("restrictions") or []:
            values = [str(value).lower() for value in one.get("values") or []]
            if (one.get("result") == "Deny" and "true" in values) or (
                one.get("result") == "Required" and "false" in values
            ):
                return True
    evaluated = (restrictions.get("contentEvaluationResult") or {}).get("policyEvaluations") or []
    return any(
        one.get("evaluationResult") == "NonCompliant" and "allowSharedKeyAccess" in json.dumps(one) for one in evaluated
    )


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body goes in a file: quotation marks in an argument do not survive every shell of Windows."""
    handle, name = tempfile.mkstemp(suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(body, file)
        return azd.az_object("rest", "--method", "POST", "--url", url, "--body", f"@{name}")
    finally:
        os.unlink(name)
