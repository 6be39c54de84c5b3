"""What the checks look at: the settings, and what Graph, ARM and Key Vault show. Each is read once, when needed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

import requests

from .az import az_token
from .clouds import Cloud, cloud_of
from .given import Given
from .reading import Json, Reader, Reply, Service
from .settings import Asked, Credential, Settings, ask_the_code
from .verdicts import CannotTellError

MEMBER = "an account that is a member of the tenant, or the role Directory Readers in Entra"
READER = "the role Reader on the resource or its group"
VAULT_READER = "the role Key Vault Reader on the vault"
CONTRIBUTOR = "the role Website Contributor on the site"
VAULT_VERSION = "7.4"
PAGE = 999
"""As many as Graph gives at a time, of lists that may be long."""
# The versions that infra/ deploys with.
VERSIONS = {
    "Microsoft.Web/sites": "2025-03-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.KeyVault/vaults": "2026-02-01",
    "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments": "2025-07-01",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
}
_REGISTRATION = (
    "id,appId,displayName,signInAudience,identifierUris,isFallbackPublicClient,publicClient,spa,web,api,"
    "requiredResourceAccess,optionalClaims,keyCredentials"
)
_PRINCIPAL = "id,appId,displayName,accountEnabled,appRoleAssignmentRequired,oauth2PermissionScopes,appRoles"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
Read = TypeVar("Read")
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"


class Case:
    """One tenant, one API. Everything that cannot be read raises CannotTellError, each time it is asked for."""

    def __init__(
        self,
        given: Given,
        *,
        token_for: Callable[[str, str], str] = az_token,
        now: Callable[[], float] = time.time,
        ask: Asked = ask_the_code,
        session: requests.Session | None = None,
        path: str = "/api/me",
    ) -> None:
        self.given = given
        self.now = now
        self.path = path
        """A route of the API that any user may call."""
        self._ask = ask
        self._known: dict[str, Any] = {}
        self.reader = Reader(lambda scope: token_for(scope, self.tenant), session)

    # Settings

    @property
    def answer(self) -> Json:
        """What the code says about the settings."""
        return self._once("answer", lambda: self._ask(self.given.settings, None))

    @property
    def settings(self) -> Settings:
        """What the settings mean."""
        if not self.answer.get("facts"):
            raise CannotTellError("the settings are not accepted by the code", "settings that the code accepts")
        return Settings.of(self.answer["facts"])

    def problems_of(self, names: list[str]) -> Mapping[str, str]:
        """What the code says about the names of the deployed settings."""
        found: Mapping[str, str] = self._ask(self.given.settings, names)["problems"]
        return found

    @property
    def tenant(self) -> str:
        """The tenant that the registration is in; "" if only several tenants are known."""
        own = "" if self.settings.for_several_tenants else self.settings.tenant_id
        return own or self.given.text("TENANT_ID")

    @property
    def at_local_stack(self) -> bool:
        """Whether `dev.py doctor` has started this at the running stack."""
        return bool(self.given.text("EMULATORS_SIGN_IN_URL"))

    @property
    def cloud(self) -> Cloud:
        """Where the services are."""
        return cloud_of(self.settings.login)

    @property
    def credential(self) -> Credential | None:
        """The first credential, which is tried first; None for an API that calls no other."""
        return next(iter(self.settings.credentials), None)

    # Entra

    @property
    def discovery(self) -> Reply:
        """The response of Entra to a question without a token."""
        return self._once("discovery", lambda: self.reader.send("GET", self.settings.discovery_url))

    @property
    def registration(self) -> Json:
        """The API's registration."""
        found = self.registration_of(self.settings.client_id)
        if found is None:
            raise CannotTellError("the registration of the API is not there", "a registration")
        return found

    def registration_of(self, client_id: str) -> Json | None:
        """A registration of the tenant by client id, or None."""
        path = f"/v1.0/applications(appId='{_guid(client_id)}')?$select={_REGISTRATION}"
        return self._once(path, lambda: self.reader.get(self.cloud.graph, path, MEMBER))

    @property
    def federated(self) -> list[Json]:
        """The federated credentials of the registration."""
        path = f"/v1.0/applications(appId='{self.settings.client_id}')/federatedIdentityCredentials"
        return self._once(path, lambda: self.reader.listed(self.cloud.graph, path, MEMBER)) or []

    @property
    def principal(self) -> Json:
        """The API's service principal."""
        found = self.principal_of(self.settings.client_id)
        if found is None:
            raise CannotTellError("the service principal of the API is not there", "a service principal")
        return found

    def principal_of(self, resource: str) -> Json | None:
        """A service principal of the tenant, by its client id or by another name of it; None if there is none."""
        if _GUID.fullmatch(resource):
            path = f"/v1.0/servicePrincipals(appId='{resource}')?$select={_PRINCIPAL}"
            return self._once(path, lambda: self.reader.get(self.cloud.graph, path, MEMBER))
        name = quote(resource.replace("'", "''"), safe="")
        path = f"/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(n:n%20eq%20'{name}')&$select={_PRINCIPAL}"
        found = self._once(path, lambda: self.reader.listed(self.cloud.graph, path, MEMBER))
        return next(iter(found or ()), None)

    def assigned_to(self, principal: Json) -> list[Json]:
        """Who is assigned to the application of a service principal."""
        return self._of_principal(principal, "appRoleAssignedTo")

    def assignments_of(self, principal: Json) -> list[Json]:
        """The roles that an application holds."""
        return self._of_principal(principal, "appRoleAssignments")

    def _of_principal(self, principal: Json, what: str) -> list[Json]:
        path = f"/v1.0/servicePrincipals(appId='{_guid(principal.get('appId'))}')/{what}?$top={PAGE}"
        return self._once(path, lambda: self.reader.listed(self.cloud.graph, path, MEMBER)) or []

    def grants_for_everybody(self, principal: Json) -> list[Json]:
        """What administrators have consented to for everybody, for the application of a service principal."""
        return self._grants(principal, "consentType eq 'AllPrincipals'")

    def grants_for_me(self, principal: Json) -> list[Json]:
        """What the person has consented to. Those of all people could be very many."""
        return self._grants(principal, f"principalId eq '{_guid(self.me)}'")

    def _grants(self, principal: Json, condition: str) -> list[Json]:
        wanted = quote(f"clientId eq '{_guid(principal.get('id'))}' and {condition}", safe="'")
        path = f"/v1.0/oauth2PermissionGrants?$filter={wanted}"
        return self._once(path, lambda: self.reader.listed(self.cloud.graph, path, MEMBER)) or []

    @property
    def me(self) -> str:
        """The object id of the person."""
        return str(self._me.get("id"))

    @property
    def you(self) -> str:
        """The name by which the person signs in; "" if Graph does not say."""
        try:
            return str(self._me.get("userPrincipalName") or "")
        except CannotTellError:
            return ""

    @property
    def _me(self) -> Json:
        path = "/v1.0/me?$select=id,userPrincipalName"
        return self._once(path, lambda: self.reader.get(self.cloud.graph, path, MEMBER)) or {}

    @property
    def my_groups(self) -> list[str]:
        """The groups that the person is in directly. Nested groups do not count for an assignment."""
        path = f"/v1.0/me/memberOf?$select=id&$top={PAGE}"
        found = self._once(path, lambda: self.reader.listed(self.cloud.graph, path, MEMBER))
        return [str(one.get("id")) for one in found or ()]

    # Azure

    @property
    def group(self) -> str:
        """The path of the resource group."""
        subscription = self.given.text("AZURE_SUBSCRIPTION_ID")
        group = self.given.text("AZURE_RESOURCE_GROUP")
        if not (subscription and group):
            raise CannotTellError(
                "AZURE_SUBSCRIPTION_ID and AZURE_RESOURCE_GROUP are not given",
                "where the API is deployed: azd env get-values > .env, then --env-file .env",
            )
        return f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(group, safe='')}"

    @property
    def site_path(self) -> str:
        """The path of the Functions app."""
        name = self.given.text("AZURE_FUNCTION_NAME")
        if not name:
            raise CannotTellError("AZURE_FUNCTION_NAME is not given", "the name of the Functions app, in --env-file")
        return f"{self.group}/providers/Microsoft.Web/sites/{quote(name, safe='')}"

    @property
    def site(self) -> Json:
        """The Functions app."""
        found = self.resource(self.site_path)
        if found is None:
            raise CannotTellError("there is no Functions app of the name in AZURE_FUNCTION_NAME", "azd provision")
        return found

    @property
    def site_settings(self) -> list[str]:
        """The names of the app settings of the site."""
        path = f"{self.site_path}/config/appsettings/list?api-version={VERSIONS['Microsoft.Web/sites']}"
        found = self._once(path, lambda: self.reader.names_of_settings(self.cloud.management, path, CONTRIBUTOR))
        if found is None:
            raise CannotTellError("there is no Functions app of the name in AZURE_FUNCTION_NAME", "azd provision")
        return list(found)

    @property
    def identity(self) -> str:
        """The principal id of the identity that the credential names."""
        return self.identity_named(self.credential.identity if self.credential else "")

    def identity_named(self, wanted: str) -> str:
        """The principal id of an identity of the site, by its client id. Without one: that of the site itself."""
        identity: Json = self.site.get("identity") or {}
        assigned = (identity.get("userAssignedIdentities") or {}).values()
        known = {str(one.get("clientId", "")).lower(): str(one.get("principalId", "")) for one in assigned}
        if not wanted and identity.get("principalId"):
            return str(identity["principalId"])
        if not wanted and len(known) == 1:
            return next(iter(known.values()))
        if wanted not in known:
            raise CannotTellError("the site does not have the identity that the settings name", "azd provision")
        return known[wanted]

    def resource(self, path: str) -> Json | None:
        """One resource by path, or None."""
        url = f"{path}?api-version={VERSIONS[_type_of(path)]}"
        return self._once(url, lambda: self.reader.get(self.cloud.management, url, READER))

    def resources(self, path: str) -> list[Json]:
        """The resources of a list."""
        url = f"{path}?api-version={VERSIONS[_type_of(path)]}"
        return self._once(url, lambda: self.reader.listed(self.cloud.management, url, READER)) or []

    def roles_at(self, scope: str, principal: str) -> set[str]:
        """The ids of the roles that a principal holds on a resource, or on what the resource is in."""
        version = VERSIONS["Microsoft.Authorization/roleAssignments"]
        asked = f"api-version={version}&$filter=assignedTo('{_guid(principal)}')"
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments?{asked}"
        found = self._once(path, lambda: self.reader.listed(self.cloud.management, path, READER)) or []
        properties = [one.get("properties") or {} for one in found]
        here = f"{scope.lower()}/"
        above = [one for one in properties if here.startswith(f"{str(one.get('scope', '')).rstrip('/').lower()}/")]
        return {str(one.get("roleDefinitionId", "")).rpartition("/")[2].lower() for one in above}

    # Key Vault

    def certificate(self, version: str = "") -> Json | None:
        """The public part of the certificate in the vault, the newest or one version; None if there is none."""
        return self._vault(f"/{version}" if version else "", self.reader.get)

    @property
    def certificate_versions(self) -> list[Json]:
        """All versions, without their contents, newest first."""
        found = self._vault("/versions", self.reader.listed) or []
        return sorted(found, key=lambda one: (one.get("attributes") or {}).get("created", 0), reverse=True)

    @property
    def certificate_names(self) -> list[str]:
        """The names of the certificates in the vault; [] if they cannot be read."""
        try:
            found = self._vault("", self.reader.listed, every=True) or []
        except CannotTellError:
            return []
        return [str(one.get("id", "")).rpartition("/")[2] for one in found]

    def _vault(self, rest: str, read: Callable[[Service, str, str], Read], *, every: bool = False) -> Read:
        credential = self.credential
        if credential is None:
            raise CannotTellError("the API has no credential", "a credential in the settings")
        vault = Service("Key Vault", credential.vault_url, self.cloud.vault_scope)
        host = urlsplit(credential.vault_url).hostname or ""
        if not host.endswith(f".{urlsplit(self.cloud.vault_scope).hostname}"):
            raise CannotTellError("KeyVaultUrl is not the address of a vault in this cloud", "the address of the vault")
        one = "" if every else f"/{quote(credential.certificate, safe='')}"
        path = f"/certificates{one}{rest}?api-version={VAULT_VERSION}"
        return self._once(vault.url + path, lambda: read(vault, path, VAULT_READER))

    def _once(self, name: str, read: Callable[[], Read]) -> Read:
        """What `read` returns or raises, kept: a service that does not respond is asked once."""
        if name not in self._known:
            try:
                self._known[name] = read()
            except CannotTellError as problem:
                self._known[name] = problem
        found = self._known[name]
        if isinstance(found, CannotTellError):
            raise found
        return cast("Read", found)


def _guid(value: object) -> str:
    """A GUID, and nothing else, goes into a path."""
    text = str(value or "")
    if not _GUID.fullmatch(text):
        raise CannotTellError("an id is not a GUID", "the right id in the settings")
    return text.lower()


def _type_of(path: str) -> str:
    """`Microsoft.Web/sites` of `…/providers/Microsoft.Web/sites/NAME`, and of the list without a name."""
    namespace, *rest = path.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]])
