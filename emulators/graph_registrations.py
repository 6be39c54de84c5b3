"""Registrations, service principals and grants, as Graph shows them to a member of the tenant. Nothing is written here.

https://learn.microsoft.com/graph/api/resources/application
https://learn.microsoft.com/graph/api/resources/serviceprincipal
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from starlette.responses import Response

from .applications import GRAPH_URI, Application
from .directory import EVERYBODY, Directory
from .graph_documents import NO_ROLE, application_document, role_id, service_principal_document
from .graph_paging import Pages
from .graph_routes import Call, GraphError, Needs, Route
from .groups import GROUPS
from .people import CONTOSO, EVERYONE

_ANY_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All")
APPLICATIONS = Needs(("Application.Read.All", "Application.ReadWrite.All", *_ANY_DIRECTORY))
GRANTS = Needs(("DelegatedPermissionGrant.Read.All", "DelegatedPermissionGrant.ReadWrite.All", *_ANY_DIRECTORY))
_BY_NAME = re.compile(r"servicePrincipalNames/any\((\w+):\s*\1 eq '([^']+)'\)")
_EQUALS = re.compile(r"(clientId|resourceId|principalId|consentType) eq '([^']*)'")
_PAGE = 100

Handler = Callable[[Call], "dict[str, object] | Response"]


class Registrations:
    """What Graph serves of the applications in the directory."""

    def __init__(self, pages: Pages, directory: Directory) -> None:
        self._pages, self._directory = pages, directory

    def routes(self) -> list[Route]:
        """The paths. Each is by the client id, which Graph takes in place of the object id."""
        app, principal = "/applications(appId='{id}')", "/servicePrincipals(appId='{id}')"
        table: Sequence[tuple[str, str, Needs, Handler]] = (
            (app, "registration", APPLICATIONS, self._application),
            (f"{app}/federatedIdentityCredentials", "federated credentials", APPLICATIONS, self._federated),
            ("/servicePrincipals", "service principals", APPLICATIONS, self._find),
            (principal, "service principal", APPLICATIONS, self._principal),
            (f"{principal}/appRoleAssignedTo", "assignments", APPLICATIONS, self._assigned_to),
            (f"{principal}/appRoleAssignments", "roles of an application", APPLICATIONS, self._assignments),
            ("/oauth2PermissionGrants", "grants", GRANTS, self._grants),
        )
        return [Route("GET", path, action, needs, _for_members(handler)) for path, action, needs, handler in table]

    def _application(self, call: Call) -> dict[str, object] | Response:
        document = application_document(self._directory, self._own(call))
        return _entity(call, "applications", document, only_selected=("keyCredentials",))

    def _federated(self, call: Call) -> dict[str, object] | Response:
        app = self._own(call)
        items = [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{app.client_id} {one.name}")),
                "name": one.name,
                "issuer": one.issuer,
                "subject": one.subject,
                "description": None,
                "audiences": list(one.audiences),
            }
            for one in self._directory.federated(app)
        ]
        return self._list(call, f"applications('{app.registration_id}')/federatedIdentityCredentials", items)

    def _principal(self, call: Call) -> dict[str, object] | Response:
        document = service_principal_document(self._directory, self._installed(call), call.person.tenant)
        return _entity(call, "servicePrincipals", document)

    def _find(self, call: Call) -> dict[str, object] | Response:
        """By one of its names alone: what else $filter can ask is not emulated."""
        asked = _BY_NAME.fullmatch(call.request.query_params.get("$filter", ""))
        if asked is None:
            raise _unsupported()
        tenant = call.person.tenant
        known = (app for app in self._directory.applications.values() if self._directory.has(tenant, app))
        found = [app for app in known if asked[2] in (app.client_id, *app.identifier_uris)]
        items = [service_principal_document(self._directory, app, tenant) for app in found]
        return self._list(call, "servicePrincipals", items, filtered=True)

    def _assigned_to(self, call: Call) -> dict[str, object] | Response:
        """Who may use it: people who are assigned to it as such or to a role, and applications with a role."""
        app, directory = self._installed(call), self._directory
        people = [person for person in EVERYONE.values() if person.tenant == call.person.tenant]
        items = [
            _assignment("User", person.oid, person.display_name, app, role)
            for person in people
            for role in (*((NO_ROLE,) if person.name in directory.assigned(app) else ()), *directory.roles(person, app))
        ]
        items += [
            _assignment("Group", one, GROUPS[one], app, NO_ROLE)
            for one in sorted(directory.assigned(app) & GROUPS.keys())
        ]
        items += [
            _assignment("ServicePrincipal", client.object_id, client.name, app, role)
            for client in directory.applications.values()
            for role in directory.app_roles(client, app)
        ]
        return self._list(call, "appRoleAssignments", items)

    def _assignments(self, call: Call) -> dict[str, object] | Response:
        """The roles of others that the application itself holds."""
        client, directory = self._installed(call), self._directory
        items = [
            _assignment("ServicePrincipal", client.object_id, client.name, resource, role)
            for resource in directory.applications.values()
            for role in directory.app_roles(client, resource)
        ]
        return self._list(call, "appRoleAssignments", items)

    def _grants(self, call: Call) -> dict[str, object] | Response:
        conditions = [_EQUALS.fullmatch(part) for part in call.request.query_params.get("$filter", "").split(" and ")]
        if call.request.query_params.get("$filter") and not all(conditions):
            raise _unsupported()
        wanted = {one[1]: one[2] for one in conditions if one}
        every = (
            _grant(client, who, resource, scopes)
            for client in self._directory.applications.values()
            for who, resource, scopes in self._directory.grants_to(client)
            if "@" not in who and (who == EVERYBODY or EVERYONE[who].tenant == CONTOSO)
        )
        items = [one for one in every if all(one[name] == value for name, value in wanted.items())]
        return self._list(call, "oauth2PermissionGrants", items, filtered=True)

    def _list(
        self, call: Call, context: str, items: Sequence[Mapping[str, object]], *, filtered: bool = False
    ) -> dict[str, object]:
        path = call.request.url.path.removeprefix("/v1.0")
        return self._pages.page(call, path, context, items, usual=_PAGE, filtered=filtered)

    def _own(self, call: Call) -> Application:
        """A registration of this tenant. Microsoft's own are in another one."""
        wanted, known = call.parameters["id"].lower(), self._directory.applications.values()
        app = next((one for one in known if one.client_id == wanted and not one.of_microsoft), None)
        if app is None or call.person.tenant != CONTOSO:
            raise _missing("Application", call.parameters["id"])
        return app

    def _installed(self, call: Call) -> Application:
        app = self._directory.application(call.parameters["id"], call.person.tenant)
        if app is None:
            raise _missing("ServicePrincipal", call.parameters["id"])
        return app


def _for_members(handler: Handler) -> Handler:
    """This tenant shows its applications to members alone. Its guests have the most restricted access."""

    def guarded(call: Call) -> dict[str, object] | Response:
        if call.person.is_guest:
            message = "Insufficient privileges to complete the operation."
            raise GraphError(403, "Authorization_RequestDenied", message, needs=("member",))
        return handler(call)

    return guarded


def _entity(
    call: Call, collection: str, document: Mapping[str, object], *, only_selected: Iterable[str] = ()
) -> dict[str, object]:
    """One object, with $select. The keys of credentials are there only if $select names their property."""
    query = call.request.query_params
    if unknown := sorted(set(query) - {"$select"}):
        raise GraphError(400, "BadRequest", f"The query option '{unknown[0]}' is not emulated.")
    wanted = [name.strip() for name in query.get("$select", "").split(",") if name.strip()]
    if missing := [name for name in wanted if name not in document]:
        message = f"Parsing OData Select and Expand failed: Could not find a property named '{missing[0]}'."
        raise GraphError(400, "BadRequest", message)
    fragment = f"#{collection}({','.join(wanted)})/$entity" if wanted else f"#{collection}/$entity"
    body = {name: document[name] for name in wanted or document}
    for name in only_selected:
        if name not in wanted and isinstance(found := body.get(name), list):
            body[name] = [{**one, "key": None} for one in found]
    return {"@odata.context": f"{GRAPH_URI}/v1.0/$metadata{fragment}", **body}


def _assignment(kind: str, principal: str, name: str, resource: Application, role: str) -> dict[str, object]:
    role_of_it = role if role == NO_ROLE else role_id(resource, role)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{principal} {resource.client_id} {role_of_it}")),
        "deletedDateTime": None,
        "appRoleId": role_of_it,
        "createdDateTime": "2026-01-05T08:00:00Z",
        "principalDisplayName": name,
        "principalId": principal,
        "principalType": kind,
        "resourceDisplayName": resource.name,
        "resourceId": resource.object_id,
    }


def _grant(client: Application, who: str, resource: Application, scopes: Iterable[str]) -> dict[str, object]:
    person = None if who == EVERYBODY else EVERYONE[who].oid
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{client.client_id} {resource.client_id} {person}")),
        "clientId": client.object_id,
        "consentType": "Principal" if person else "AllPrincipals",
        "principalId": person,
        "resourceId": resource.object_id,
        "scope": " ".join(scopes),
    }


def _missing(kind: str, client_id: str) -> GraphError:
    message = f"Resource '{client_id}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)


def _unsupported() -> GraphError:
    return GraphError(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")
