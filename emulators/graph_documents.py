"""A registration and a service principal as documents of Graph, made from what the directory knows."""

from __future__ import annotations

import base64
import datetime
import uuid

from .applications import GRAPH_ID, Application
from .certificates import Certificate
from .directory import Directory
from .people import CONTOSO

NO_ROLE = "00000000-0000-0000-0000-000000000000"
"""The role id of an assignment to an application as such."""
MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant in which Microsoft registers its own applications."""
# https://learn.microsoft.com/graph/permissions-reference
_GRAPH_SCOPES = {
    "User.Read": "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
    "User.ReadBasic.All": "b340eb25-3456-403f-be2f-af7a0d370277",
    "User.Read.All": "a154be20-db9c-4678-8ab7-66f6cc099a59",
    "Mail.Read": "570282fd-fa5c-430d-a7fd-fc8dc98a9dca",
    "Files.Read": "10465720-29dd-4523-a11a-6a75c743c9d9",
    "Files.ReadWrite": "5c28f0bf-8a70-41f1-8ab2-9032436ddb65",
    "GroupMember.Read.All": "bc024368-1153-4739-b217-4326f2e966d0",
}
_GRAPH_ROLES = {
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadBasic.All": "97235f07-e226-4f63-ace3-39588e11d3a1",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "Mail.Read": "810c84a8-4a9e-49e6-bf7d-12d183f40d01",
}


def scope_id(app: Application, scope: str) -> str:
    """The id of a delegated permission: Graph's own, or one that is made of the name."""
    known = _GRAPH_SCOPES.get(scope) if app.client_id == GRAPH_ID else None
    return known or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{app.client_id} scope {scope}"))


def role_id(app: Application, role: str) -> str:
    """The id of an app role: Graph's own, or one that is made of the name."""
    known = _GRAPH_ROLES.get(role) if app.client_id == GRAPH_ID else None
    return known or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{app.client_id} role {role}"))


def application_document(directory: Directory, app: Application) -> dict[str, object]:
    """https://learn.microsoft.com/graph/api/resources/application#json-representation"""
    redirects = list(app.redirect_uris)
    return {
        "id": app.registration_id,
        "appId": app.client_id,
        "displayName": app.name,
        "signInAudience": "AzureADMultipleOrgs" if app.for_several_tenants else "AzureADMyOrg",
        "identifierUris": list(app.identifier_uris),
        "isFallbackPublicClient": True if app.device_codes else None,
        "publicClient": {"redirectUris": redirects if app.public else []},
        "spa": {"redirectUris": list(app.spa_redirect_uris)},
        "web": {"redirectUris": [] if app.public else redirects, "homePageUrl": None, "logoutUrl": None},
        "api": {
            "acceptMappedClaims": None,
            "knownClientApplications": list(app.known_clients),
            "oauth2PermissionScopes": _scopes(app),
            "preAuthorizedApplications": [
                {"appId": client, "delegatedPermissionIds": [scope_id(app, scope) for scope in sorted(scopes)]}
                for client, scopes in directory.pre_authorized(app).items()
            ],
            "requestedAccessTokenVersion": app.token_version,
        },
        "appRoles": _roles(app),
        "requiredResourceAccess": _required(directory, app),
        "optionalClaims": {"idToken": [], "accessToken": _claims(directory, app), "saml2Token": []},
        "groupMembershipClaims": None,
        "keyCredentials": [_key(certificate) for certificate in directory.certificates(app)],
        "passwordCredentials": [],
    }


def service_principal_document(directory: Directory, app: Application, tenant: str) -> dict[str, object]:
    """https://learn.microsoft.com/graph/api/resources/serviceprincipal#json-representation"""
    return {
        "id": app.object_id,
        "appId": app.client_id,
        "displayName": app.name,
        "accountEnabled": not directory.is_disabled(tenant, app),
        "appOwnerOrganizationId": MICROSOFT if app.of_microsoft else CONTOSO,
        "appRoleAssignmentRequired": directory.requires_assignment(app),
        "appRoles": _roles(app),
        "oauth2PermissionScopes": _scopes(app),
        "servicePrincipalNames": [*app.identifier_uris, app.client_id],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs" if app.for_several_tenants or app.of_microsoft else "AzureADMyOrg",
    }


def _scopes(app: Application) -> list[dict[str, object]]:
    return [
        {
            "id": scope_id(app, scope),
            "value": scope,
            "type": "Admin" if scope in app.admin_only else "User",
            "isEnabled": True,
            "adminConsentDisplayName": scope,
            "adminConsentDescription": scope,
            "userConsentDisplayName": scope,
            "userConsentDescription": scope,
        }
        for scope in app.scopes
    ]


def _roles(app: Application) -> list[dict[str, object]]:
    return [
        {
            "id": role_id(app, role),
            "value": role,
            "displayName": role,
            "description": role,
            "isEnabled": True,
            "allowedMemberTypes": ["Application"],
            "origin": "Application",
        }
        for role in app.app_roles
    ]


def _required(directory: Directory, app: Application) -> list[dict[str, object]]:
    """The delegated permissions of the manifest, and the roles that the application holds: it had to ask for these."""
    known = directory.applications
    access: dict[str, list[dict[str, str]]] = {}
    for key, scopes in app.requires.items():
        access[key] = [{"id": scope_id(known[key], scope), "type": "Scope"} for scope in scopes]
    for key, resource in known.items():
        roles = [{"id": role_id(resource, role), "type": "Role"} for role in directory.app_roles(app, resource)]
        access[key] = [*access.get(key, ()), *roles]
    return [
        {"resourceAppId": known[key].client_id, "resourceAccess": listed} for key, listed in access.items() if listed
    ]


def _claims(directory: Directory, app: Application) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "source": None,
            "essential": False,
            "additionalProperties": ["include_user_token"] if name == "idtyp" else [],
        }
        for name in sorted(directory.optional_claims(app))
    ]


def _key(certificate: Certificate) -> dict[str, object]:
    """https://learn.microsoft.com/graph/api/resources/keycredential"""
    thumbprint = base64.urlsafe_b64decode(f"{certificate.x5t}=")
    return {
        "customKeyIdentifier": base64.b64encode(thumbprint).decode(),
        "displayName": "CN=api-client",
        "endDateTime": _moment(certificate.not_after),
        "key": base64.b64encode(certificate.der).decode(),
        "keyId": str(uuid.uuid5(uuid.NAMESPACE_OID, certificate.x5t_s256)),
        "startDateTime": _moment(certificate.not_before),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
