"""The tenants whose users may call: the one of `AzureAd__TenantId`, or those of `AzureAd__AllowedTenants`."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from ..settings import ANY, MAX_TENANTS, PERSONAL_ACCOUNTS, Authority

_TENANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Tenants:
    """Finds the authority of a token's tenant. Thread-safe."""

    def __init__(self, authority: Authority, allowed: Collection[str]) -> None:
        """`allowed`: tenant ids in lower case, or ANY. Empty: the tenant of the authority alone."""
        listed = [tenant_id for tenant_id in allowed if tenant_id != ANY]
        self._listed = {tenant_id: authority.of_tenant(tenant_id) for tenant_id in listed}
        if not allowed:
            self._listed = {authority.tenant_id: authority}
        self._of_any = lru_cache(MAX_TENANTS)(authority.of_tenant) if ANY in allowed else None

    def find(self, tenant_id: object) -> Authority | None:
        """The authority of this tenant, by the claim `tid` of a token whose signature is valid. None: it may not call.

        The claim is compared as it is. Entra writes it in lower case.
        """
        if not isinstance(tenant_id, str):
            return None
        if self._of_any is None or tenant_id in self._listed:
            return self._listed.get(tenant_id)
        is_organization = _TENANT_ID.fullmatch(tenant_id) and tenant_id != PERSONAL_ACCOUNTS
        return self._of_any(tenant_id) if is_organization else None
