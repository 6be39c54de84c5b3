"""Azure Resource Manager: what is in the subscription, for a token of a person with a role. It changes nothing.

https://learn.microsoft.com/rest/api/resources/
"""

from __future__ import annotations

import re
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .applications import MANAGEMENT_URIS
from .entra.service import Entra
from .entra.verification import TokenError, verify_token
from .people import CONTOSO
from .requests_io import bearer, json_reply, note
from .resources.roles import RoleAssignment, allows
from .resources.store import API_VERSIONS, SUBSCRIPTION, VAULT_NAME, Resources, type_of
from .vault import Vault

MANAGEMENT_HOST = "management.azure.com"
PAGE_SIZE = 2
"""So small that a caller who does not follow `nextLink` finds too little."""
_SETTINGS = re.compile(r"(?P<site>.+/providers/Microsoft\.Web/sites/[^/]+)/config/appsettings/list", re.IGNORECASE)
_ROLES = re.compile(r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/roleAssignments", re.IGNORECASE)
_OF_ONE = re.compile(r"(?:assignedTo\('(?P<assigned>[^']+)'\)|principalId eq '(?P<exact>[^']+)')")


class ManagementError(Exception):
    """A refusal in ARM's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Management:
    """An identity with a role on one vault and on nothing else sees no subscription. A developer sees the resources."""

    def __init__(self, entra: Entra, vault: Vault, resources: Resources) -> None:
        self._entra, self._vault = entra, vault
        self.resources = resources

    def build_app(self) -> Starlette:
        """The ASGI application of the host name."""
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._respond, methods=every)])

    async def _respond(self, request: Request) -> Response:
        try:
            caller = self._caller(request)
            body = self._body(request, request.url.path.rstrip("/"), caller)
        except ManagementError as refusal:
            note(request).verdict = f"refused: {refusal.code}: {refusal}"
            return json_reply({"error": {"code": refusal.code, "message": str(refusal)}}, refusal.status)
        note(request).verdict = f"ok: {note(request).action}"
        return json_reply(body)

    def _body(self, request: Request, path: str, caller: str) -> dict[str, Any]:
        settings, roles = _SETTINGS.fullmatch(path), _ROLES.fullmatch(path)
        if path.lower() == "/subscriptions":
            return self._subscriptions(request, caller)
        if settings is not None:
            return self._app_settings(request, settings["site"], caller)
        if request.method != "GET":
            raise ManagementError(405, "MethodNotAllowed", "This emulator changes nothing.")
        if roles is not None:
            return self._assignments(request, roles["scope"], caller)
        return self._resource(request, path, caller)

    def _subscriptions(self, request: Request, caller: str) -> dict[str, Any]:
        note(request).action = "subscriptions"
        _check_version(request, "Microsoft.Resources/subscriptions")
        seen = [SUBSCRIPTION] if self.resources.developers.get(caller) else []
        items = [{"id": one, "subscriptionId": one.rpartition("/")[2], "tenantId": CONTOSO} for one in seen]
        return {"value": items, "count": {"type": "Total", "value": len(items)}}

    def _app_settings(self, request: Request, site: str, caller: str) -> dict[str, Any]:
        """https://learn.microsoft.com/rest/api/appservice/web-apps/list-application-settings"""
        note(request).action = "app settings"
        if request.method != "POST":
            raise ManagementError(405, "MethodNotAllowed", "App settings are listed with POST.")
        _check_version(request, "Microsoft.Web/sites")
        self._check(caller, "Microsoft.Web/sites/config/list/action", site)
        found = self._existing(site)
        return {
            "id": f"{found['id']}/config/appsettings",
            "name": "appsettings",
            "type": "Microsoft.Web/sites/config",
            "properties": dict(self.resources.app_settings.get(str(found["name"]), {})),
        }

    def _assignments(self, request: Request, scope: str, caller: str) -> dict[str, Any]:
        """https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-scope"""
        note(request).action = "role assignments"
        _check_version(request, "Microsoft.Authorization/roleAssignments")
        self._check(caller, "Microsoft.Authorization/roleAssignments/read", scope)
        wanted = request.query_params.get("$filter", "")
        one = _OF_ONE.fullmatch(wanted)
        if wanted and one is None:
            raise ManagementError(400, "UnsupportedQuery", f"The filter '{wanted[:60]}' is not emulated.")
        principal = (one["assigned"] or one["exact"]) if one else None
        near = [each for each in (*self.resources.assignments, *self._on_vault()) if each.is_near(scope)]
        found = [each for each in near if principal in (None, each.principal_id)]
        return _page(request, [each.document(SUBSCRIPTION) for each in found])

    def _resource(self, request: Request, path: str, caller: str) -> dict[str, Any]:
        kind, is_list = _kind_of(path)
        note(request).action = f"resource {kind.rpartition('/')[2]}" if kind else "?"
        if kind.lower() not in API_VERSIONS:
            raise ManagementError(404, "InvalidResourceType", f"The resource type '{kind}' could not be found.")
        _check_version(request, kind)
        self._check(caller, f"{kind}/read", path)
        return _page(request, self.resources.below(path)) if is_list else self._existing(path)

    def _existing(self, path: str) -> dict[str, Any]:
        found = self.resources.find(path)
        if found is None:
            name = f"{type_of(path)}/{path.rpartition('/')[2]}"
            message = f"The Resource '{name}' under resource group '{_group_of(path)}' was not found."
            raise ManagementError(404, "ResourceNotFound", message)
        return found

    def _on_vault(self) -> list[RoleAssignment]:
        vaults = [one["id"] for one in self.resources.of_type("Microsoft.KeyVault/vaults") if one["name"] == VAULT_NAME]
        holders = {
            "Key Vault Secrets User": self._vault.readers,
            "Key Vault Certificates Officer": self._vault.officers,
            "Key Vault Certificate User": self._vault.certificate_users,
            "Key Vault Crypto User": self._vault.crypto_users,
            "Key Vault Reader": self._vault.metadata_readers,
        }
        return [
            RoleAssignment(one, role, vault) for vault in vaults for role, ids in holders.items() for one in sorted(ids)
        ]

    def _caller(self, request: Request) -> str:
        """The object id in a token for ARM. Raises ManagementError."""
        note(request).action = "?"
        try:
            claims = verify_token(bearer(request) or "", self._entra.keys, CONTOSO, self._entra.now())
        except TokenError as bad:
            raise _unauthorized(f"The access token is invalid: {bad}") from None
        if str(claims.get("aud", "")).rstrip("/") not in MANAGEMENT_URIS:
            raise _unauthorized("The access token has been obtained for the wrong audience.")
        is_app = "scp" not in claims and claims.get("oid") == claims.get("sub")
        if not is_app and "user_impersonation" not in str(claims.get("scp", "")).split():
            raise _unauthorized("The access token lacks the scope user_impersonation.")
        return str(claims.get("oid"))

    def _check(self, caller: str, action: str, scope: str) -> None:
        if scope.lower() != SUBSCRIPTION and not scope.lower().startswith(f"{SUBSCRIPTION}/"):
            raise ManagementError(404, "SubscriptionNotFound", "The subscription could not be found.")
        if not allows(self.resources.developers.get(caller, set()), action):
            message = (
                f"The client with object id '{caller}' does not have authorization to perform action '{action}' over "
                f"scope '{scope}' or the scope is invalid. If access was recently granted, refresh your credentials."
            )
            raise ManagementError(403, "AuthorizationFailed", message)


def _check_version(request: Request, kind: str) -> None:
    given = request.query_params.get("api-version", "")
    if not given:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ManagementError(400, "MissingApiVersionParameter", message)
    if given not in API_VERSIONS[kind.lower()]:
        known = ", ".join(API_VERSIONS[kind.lower()])
        message = f"No registered resource provider found for API version '{given}' for type '{kind}': {known}."
        raise ManagementError(400, "NoRegisteredProviderFound", message)


def _kind_of(path: str) -> tuple[str, bool]:
    """The type of a path, and whether the path is that of a list: it then ends with the type and not with a name."""
    _, found, tail = path.rpartition("/providers/")
    return (type_of(path), len(tail.split("/")) % 2 == 0) if found else ("", False)


def _group_of(path: str) -> str:
    found = re.search(r"/resourceGroups/([^/]+)", path, re.IGNORECASE)
    return found[1] if found else "?"


def _page(request: Request, items: list[dict[str, Any]]) -> dict[str, Any]:
    query = request.query_params
    start = query.get("$skiptoken", "0")
    if not (start.isascii() and start.isdecimal() and len(start) < 6):
        raise ManagementError(400, "InvalidSkipToken", "The skip token is invalid.")
    end = int(start) + PAGE_SIZE
    body: dict[str, Any] = {"value": items[int(start) : end]}
    if end < len(items):
        following = request.url.include_query_params(**{"$skiptoken": str(end)})
        body["nextLink"] = f"https://{MANAGEMENT_HOST}{following.path}?{following.query}"
    return body


def _unauthorized(message: str) -> ManagementError:
    return ManagementError(401, "InvalidAuthenticationToken", message)
