"""Entra as this API's authority, of one tenant or of several: whose users may call, issuers, and its own addresses."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from .clouds import EXTERNAL_ID, PUBLIC, host_of, known_cloud

ORGANIZATIONS = "organizations"
"""In place of a tenant id: the users of several tenants may call, and none has a personal account."""
ANY = "any"
"""In place of a list of tenants: every organization may call."""
PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of personal accounts. https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference"""
MAX_TENANTS = 1_000  # how many are remembered, each with what the exchange needs (10 KB)
_TENANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Authority:
    """The tenant `tenant_id` at `instance`, such as https://login.microsoftonline.com, for the app `client_id`.

    `among_several`: the users of other tenants may call as well. Their own administrators set up these tenants. So what
    is missing in one of them is not a fault of these settings.
    `own_signing_key`: Entra signs the tokens for this app with a key of the app, and publishes it for this app alone.
    https://learn.microsoft.com/entra/identity-platform/v2-protocols#endpoints
    """

    def __init__(
        self,
        instance: str,
        tenant_id: str,
        client_id: str,
        *,
        among_several: bool = False,
        own_signing_key: bool = False,
    ) -> None:
        self.instance, self.tenant_id, self.client_id = instance, tenant_id, client_id
        self.among_several, self.own_signing_key = among_several, own_signing_key
        cloud = known_cloud(instance)
        self._is_of_known_cloud = cloud is not None
        self.url = f"{instance}/{tenant_id}"
        """The authority's own address, without a slash at its end."""
        self.issuer = _issuer(instance, tenant_id)
        """The issuer of v2.0 tokens. Signing keys name it even where they sign v1.0 tokens."""
        self.v1_issuer = f"https://{(cloud or PUBLIC).v1_issuer}/{tenant_id}/"
        """The issuer of v1.0 tokens. https://learn.microsoft.com/entra/identity-platform/access-tokens#token-formats"""
        self.realm = tenant_id
        """The realm of a challenge in `WWW-Authenticate` (RFC 6750 §3)."""
        self.authorization_uri = f"{self.url}/oauth2/v2.0/authorize"
        """Where a user signs in again, for the challenge of a 401."""

    def of_tenant(self, tenant_id: str) -> Authority:
        """One of several tenants, for the same app."""
        return Authority(self.instance, tenant_id, self.client_id, among_several=True)

    def discovered_issuer(self, issuer: object) -> str:
        """The issuer in a discovery document, if it differs from `issuer` and may differ; otherwise "".

        It may differ where the address of Entra is no name of Microsoft, such as a domain of one's own for External ID.
        The path of the issuer must be that of the tenant.
        """
        if not isinstance(issuer, str) or self._is_of_known_cloud or self.tenant_id == ORGANIZATIONS:
            return ""
        host = host_of(issuer)
        return issuer if host and issuer == f"https://{host}/{self.tenant_id}/v2.0" else ""

    @property
    def discovery_url(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery 1.0 §4).

        For a signing key of the app: https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signature
        """
        query = f"?appid={self.client_id}" if self.own_signing_key else ""
        return f"{self.url}/v2.0/.well-known/openid-configuration{query}"

    @property
    def admin_consent_url(self) -> str:
        """The page where an administrator consents to all that this API's registration asks for."""
        return f"{self.url}/adminconsent?client_id={self.client_id}"

    def own_address(self, address: object) -> str:
        """The address, normalized, if its scheme, host, port and user are the authority's; "" for anything else.

        The host of its issuer counts as well: External ID knows a tenant by two names.
        """
        try:
            own = normalized(address) if isinstance(address, str) else ""
            return own if urlsplit(own)[:2] in (urlsplit(normalized(self.url))[:2], urlsplit(self.issuer)[:2]) else ""
        except ValueError:
            return ""

    def own_token_endpoint(self, address: object) -> str:
        """The token endpoint, checked as by `own_address`. With several tenants, it must be that of this tenant.

        The endpoint gets the user's token. So the whole address is compared: a part of a path, such as `..`, could lead
        to another tenant.
        """
        own = self.own_address(address)
        return own if not self.among_several or own == f"{self.url}/oauth2/v2.0/token" else ""


class Tenants:
    """The tenants whose users may call, and the authority of each. Thread-safe."""

    def __init__(self, authority: Authority, allowed: Collection[str]) -> None:
        """`allowed`: tenant ids in lower case, or ANY. Empty: the tenant of the authority alone."""
        listed = [tenant_id for tenant_id in allowed if tenant_id != ANY]
        self._listed = {tenant_id: authority.of_tenant(tenant_id) for tenant_id in listed}
        if not allowed:
            self._listed = {authority.tenant_id: authority}
        self._of_any = lru_cache(MAX_TENANTS)(authority.of_tenant) if ANY in allowed else None

    def find(self, tenant_id: object) -> Authority | None:
        """The authority of the tenant in the claim `tid`. None if that tenant may not call.

        The signature of the token is checked before. The claim is compared as it is. Entra writes it in lower case.
        """
        if not isinstance(tenant_id, str):
            return None
        if self._of_any is None:
            return self._listed.get(tenant_id)
        is_organization = _TENANT_ID.fullmatch(tenant_id) and tenant_id != PERSONAL_ACCOUNTS
        return self._of_any(tenant_id) if is_organization else None


def _issuer(instance: str, tenant_id: str) -> str:
    """The issuer of v2.0 tokens. For several tenants this is Entra's template: `{tenantid}` stands for the tenant.

    The host of External ID's issuer is the tenant id, by whichever name the tenant is asked.
    """
    tenant = "{tenantid}" if tenant_id == ORGANIZATIONS else tenant_id
    if host_of(instance).endswith(EXTERNAL_ID):
        return f"https://{tenant}{EXTERNAL_ID}/{tenant}/v2.0"
    return f"{instance}/{tenant}/v2.0"


def normalized(address: str) -> str:
    """The address with scheme and host in lower case and without https's own port (RFC 3986 §6.2.2.1, §6.2.3).

    Raises:
        ValueError: it is not an address.
    """
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower().removesuffix(":")
    if parts.scheme == "https":
        host = host.removesuffix(":443")
    return parts._replace(netloc=f"{user}{at}{host}").geturl()
