"""The claims inside tokens that stand for an application or a managed identity, and for no person."""

from __future__ import annotations

import secrets

from ..applications import ManagedIdentity
from ..certificates import base64url
from .claims import token_times
from .verification import issuers


def app_only_claims(
    tenant: str,
    app_id: str,
    object_id: str,
    audience: str,
    issued: float,
    lifetime: float,
    version: int,
    roles: tuple[str, ...],
) -> dict[str, object]:
    """Claims of a token that stands for an application or a managed identity, and for no person."""
    by_version: dict[str, object] = (
        {"azp": app_id, "azpacr": "2", "ver": "2.0"}
        if version == 2
        else {"appid": app_id, "appidacr": "2", "idp": issuers(tenant)[0], "ver": "1.0"}
    )
    claims: dict[str, object] = {
        **by_version,
        **token_times(issued, lifetime),
        "aud": audience,
        "iss": issuers(tenant)[version - 1],
        "aio": base64url(secrets.token_bytes(48)),
        "idtyp": "app",
        "oid": object_id,
        "rh": "1." + base64url(secrets.token_bytes(33)) + ".",
        "sub": object_id,
        "tid": tenant,
        "uti": base64url(secrets.token_bytes(16)),
    }
    return {**claims, "roles": list(roles)} if roles else claims


def managed_identity_claims(
    identity: ManagedIdentity, tenant: str, audience: str, issued: float, lifetime: float, version: int
) -> dict[str, object]:
    """Claims of a managed identity's token."""
    claims = app_only_claims(
        tenant, identity.client_id, identity.principal_id, audience, issued, lifetime, version, roles=()
    )
    return {**claims, "xms_mirid": identity.resource_id}
