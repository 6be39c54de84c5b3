"""Service principals, permissions and consent: whether Entra gives tokens at all.

https://learn.microsoft.com/graph/api/resources/serviceprincipal
https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from ..case import GRAPH_APP_ID, Case
from ..reading import Json
from ..verdicts import CannotTellError, Findings, Wrong, command, correct, nearest

NO_ROLE = "00000000-0000-0000-0000-000000000000"
"""The id of an assignment to an application as such."""
DEFAULT = ".default"


class Needed(NamedTuple):
    """What the API asks of one resource: scopes, or `.default`, which stands for all that is registered."""

    api: str
    resource: str
    names: tuple[str, ...]
    for_app: bool


def principal(case: Case) -> Findings:
    """The API and its client have service principals, and they are enabled."""
    client = case.given.text("CLIENT_APP_ID")
    if case.registration_of(case.settings.client_id) is None:
        raise CannotTellError("the registration of the API is not there", "a registration")
    for what, client_id in (("API", case.settings.client_id), ("client", client.lower())):
        if not client_id:
            continue
        found = case.principal_of(client_id)
        if found is None:
            create = command("az", "ad", "sp", "create", "--id", client_id)
            first = "" if case.registration_of(client_id) else correct("CLIENT_APP_ID")
            yield Wrong(f"the {what} has no service principal: nobody can sign in to it", create, first)
        elif found.get("accountEnabled") is False:
            enable = command("az", "ad", "sp", "update", "--id", str(found["id"]), "--set", "accountEnabled=true")
            yield Wrong(f"the service principal of the {what} is disabled", enable)


def assignment(case: Case) -> Findings:
    """If only assigned users may call, you are one of them; also for the APIs behind the API."""
    seen = []
    for name, one in (("the API", case.principal), *_resources(case)):
        if not one.get("appRoleAssignmentRequired"):
            continue
        seen.append(name)
        mine = {case.me, *case.my_groups}
        if not any(each.get("principalId") in mine for each in case.assigned_to(one)):
            body = json.dumps({"principalId": case.me, "resourceId": one["id"], "appRoleId": NO_ROLE})
            url = f"{case.cloud.graph.url}/v1.0/servicePrincipals/{one['id']}/appRoleAssignedTo"
            assign = command("az", "rest", "--method", "POST", "--url", url, "--body", body)
            yield Wrong(f"{name} is for assigned users alone, and you are not one", assign)
    yield f"required by {' and '.join(seen)}, and you are assigned" if seen else "not required"


def permissions(case: Case) -> Findings:
    """What the settings ask of other APIs is in the registration (requiredResourceAccess)."""
    for needed in _needed(case):
        found = _principal_of(case, needed)
        if found is None:
            yield _not_there(case, needed)
            continue
        ids = _ids(found, for_app=needed.for_app)
        registered = _registered(case, str(found.get("appId")), for_app=needed.for_app)
        if needed.names == (DEFAULT,):
            if not registered:
                yield Wrong(
                    f"the registration asks for nothing of {needed.api}, and {DEFAULT} is what it asks for",
                    _add(case, found, [f"{_first(ids)}={'Role' if needed.for_app else 'Scope'}"]),
                )
            continue
        unknown = [name for name in needed.names if name not in ids]
        if unknown:
            show = ("az", "ad", "sp", "show", "--id", str(found.get("appId")), "--query")
            yield Wrong(
                f"{needed.api} does not offer {' '.join(unknown)}, which DownstreamApis__{needed.api}__Scopes names; "
                "this prints what it offers",
                command(*show, "oauth2PermissionScopes[].value"),
                correct(f"DownstreamApis__{needed.api}__Scopes", _meant(needed, unknown[0], ids)),
            )
        missing = [name for name in needed.names if name in ids and ids[name] not in registered]
        if missing:
            yield Wrong(
                f"the registration does not ask for {' '.join(missing)} of {needed.api}",
                _add(case, found, [f"{ids[name]}=Scope" for name in missing]),
            )


def consent(case: Case) -> Findings:
    """What the registration asks for is granted to you or to everybody, or pre-authorized."""
    admin = command("az", "ad", "app", "permission", "admin-consent", "--id", case.settings.client_id)
    for needed in _needed(case):
        found = _principal_of(case, needed)
        if found is None:
            raise CannotTellError(f"{needed.api} has no service principal", "a service principal")
        by_id = {value: key for key, value in _ids(found, for_app=needed.for_app).items()}
        asked = [by_id[one] for one in _registered(case, str(found["appId"]), for_app=needed.for_app) if one in by_id]
        wanted = asked if needed.names == (DEFAULT,) else set(needed.names) & set(by_id.values())
        had = _roles_held(case, found, by_id) if needed.for_app else _granted_to_everybody(case, found, by_id)
        if not needed.for_app and not set(wanted) <= had:
            had |= _scopes_of(case.grants_for_me(case.principal), found)
        missing = sorted(set(wanted) - had)
        if missing:
            names = f"{' '.join(missing)} of {needed.api}"
            what = (
                f"the API does not hold the role {names}"
                if needed.for_app
                else f"nobody has consented to {names} for you"
            )
            yield Wrong(what, admin)


def _needed(case: Case) -> Iterator[Needed]:
    for api in case.settings.apis:
        by_resource: dict[str, list[str]] = {}
        for scope in api.scopes:
            resource, _, name = scope.rpartition("/")
            by_resource.setdefault(_resource(case, resource), []).append(name)
        for resource, names in by_resource.items():
            yield Needed(api.name, resource, tuple(names), api.for_app)


def _resource(case: Case, prefix: str) -> str:
    """How the directory knows a resource: Graph by its client id, `api://GUID` by the GUID too, others by their name.

    A scope without a prefix is one of Graph's.
    """
    if not prefix or urlsplit(prefix).hostname == urlsplit(case.cloud.graph.url).hostname:
        return GRAPH_APP_ID
    return prefix.rstrip("/") if prefix.startswith("https://") else prefix


def _principal_of(case: Case, needed: Needed) -> Json | None:
    found = case.principal_of(needed.resource)
    bare = needed.resource.removeprefix("api://")
    return case.principal_of(bare) if found is None and bare.count("-") == 4 and "/" not in bare else found


def _resources(case: Case) -> Iterator[tuple[str, Json]]:
    for needed in _needed(case):
        found = _principal_of(case, needed)
        if found is not None and not needed.for_app:
            yield needed.api, found


def _not_there(case: Case, needed: Needed) -> Wrong:
    show = command("az", "ad", "app", "list", "--identifier-uri", needed.resource, "--query", "[].appId")
    what = (
        f"the tenant has no service principal for {needed.resource}, which DownstreamApis__{needed.api}__Scopes names"
    )
    return Wrong(f"{what}; for each client id that this prints: az ad sp create --id", show)


def _meant(needed: Needed, unknown: str, ids: dict[str, str]) -> str:
    near = nearest(unknown, (name for name in ids if name not in needed.names))
    return f"{near} in place of {unknown}" if near else ""


def _ids(found: Json, *, for_app: bool) -> dict[str, str]:
    listed = found.get("appRoles" if for_app else "oauth2PermissionScopes") or []
    return {str(one.get("value")): str(one.get("id")) for one in listed if one.get("isEnabled")}


def _first(ids: dict[str, str]) -> str:
    """A permission to begin with: the smallest of Graph, or any."""
    return ids.get("User.Read") or next(iter(ids.values()), "PERMISSION-ID")


def _registered(case: Case, app_id: str, *, for_app: bool) -> list[str]:
    kind = "Role" if for_app else "Scope"
    return [
        str(access.get("id"))
        for one in case.registration.get("requiredResourceAccess") or ()
        if one.get("resourceAppId") == app_id
        for access in one.get("resourceAccess") or ()
        if access.get("type") == kind
    ]


def _add(case: Case, found: Json, permissions: list[str]) -> str:
    base = ("az", "ad", "app", "permission", "add", "--id", case.settings.client_id)
    return command(*base, "--api", str(found.get("appId")), "--api-permissions", *permissions)


def _granted_to_everybody(case: Case, resource: Json, by_id: dict[str, str]) -> set[str]:
    """Scopes of the resource that no user has to consent to: by an administrator, or pre-authorized."""
    granted = _scopes_of(case.grants_for_everybody(case.principal), resource)
    if resource.get("appId") == GRAPH_APP_ID:
        return granted
    registration = case.registration_of(str(resource.get("appId")))
    listed = ((registration or {}).get("api") or {}).get("preAuthorizedApplications") or []
    ids = {
        one
        for each in listed
        if each.get("appId") == case.settings.client_id
        for one in each.get("delegatedPermissionIds") or ()
    }
    return granted | {by_id[one] for one in ids if one in by_id}


def _scopes_of(grants: list[Json], resource: Json) -> set[str]:
    own = (one for one in grants if one.get("resourceId") == resource.get("id"))
    return {scope for one in own for scope in str(one.get("scope", "")).split()}


def _roles_held(case: Case, resource: Json, by_id: dict[str, str]) -> set[str]:
    held = case.assignments_of(case.principal)
    ids = {str(one.get("appRoleId")) for one in held if one.get("resourceId") == resource.get("id")}
    return {by_id[one] for one in ids if one in by_id}
