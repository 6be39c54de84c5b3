"""Tokens that the Azure CLI, an application of Microsoft's own, gets for the person who is signed in to it."""

from __future__ import annotations

from ..applications import AZURE_CLI, GRAPH, MANAGEMENT, VAULT, Application
from ..people import Person
from .claims import Grant
from .claims_request import ClaimsRequest
from .decision import check_assigned, check_conditional_access, issued_contexts, permitted_scopes
from .records import SignIn
from .refusals import EntraError
from .scopes import DEFAULT, ResourceScopes
from .service import Entra

GRAPH_SCOPES = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "AuditLog.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.AccessAsUser.All",
    "Group.ReadWrite.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "email",
    "openid",
    "profile",
)
"""What Microsoft has given the Azure CLI on Graph. What the person may do still depends on the person."""
_OF_MICROSOFT = {GRAPH.key: GRAPH_SCOPES, MANAGEMENT.key: MANAGEMENT.scopes, VAULT.key: VAULT.scopes}


def azure_cli_token(entra: Entra, person: Person, scope: str) -> str:
    """An access token for the resource that `scope` names. Raises EntraError.

    Microsoft's own services trust the CLI. Any other application must pre-authorize it, or have somebody's consent.
    """
    prefix, _, name = scope.rpartition("/")
    resource = _resource(entra, person, prefix)
    sign_in, wanted = SignIn(entra.now(), ("pwd",)), ClaimsRequest()
    check_conditional_access(entra, person, resource, wanted, sign_in)
    check_assigned(entra, person, resource)
    scopes = _OF_MICROSOFT.get(resource.key)
    if scopes is None:
        names = (name or DEFAULT,)
        if name != DEFAULT and name not in resource.scopes:
            raise EntraError(650053, client=AZURE_CLI.name, scope=name, resource=resource.client_id)
        scopes = permitted_scopes(entra, person, AZURE_CLI, ResourceScopes(resource, prefix, names))
    directory = entra.directory
    return entra.access_token(
        Grant(
            person.tenant,
            person,
            AZURE_CLI,
            resource,
            scopes,
            roles=directory.roles(person, resource),
            methods=sign_in.methods,
            auth_contexts=issued_contexts(directory, resource, wanted, sign_in.methods),
            groups=directory.groups_in_token(person, resource),
            optional_claims=directory.optional_claims(resource),
        )
    )


def _resource(entra: Entra, person: Person, prefix: str) -> Application:
    known = next((one for one in (GRAPH, MANAGEMENT, VAULT) if one.answers_to(prefix.rstrip("/"))), None)
    found = known or entra.directory.resource(prefix, person.tenant)
    if found is None:
        raise EntraError(500011, resource=prefix or "(none)", tenant=person.tenant)
    return found
