"""Entra as this API's authority, of one tenant or of several: issuers, endpoints, and which addresses are its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from .clouds import EXTERNAL_ID, cloud_of, host_of, known_cloud

ORGANIZATIONS = "organizations"
"""In place of a tenant id: the users of several tenants may call, and none has a personal account."""
ANY = "any"
"""In place of a list of tenants: every organization may call."""
PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of personal accounts. https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference"""
MAX_TENANTS = 1_000  # how many are remembered, each with what the exchange needs (10 KB)


@dataclass(frozen=True)
class Authority:
    """The tenant `tenant_id` at `instance`, such as https://login.microsoftonline.com, for the app `client_id`.

    `among_several`: the users of other tenants may call as well. Their own administrators set up these tenants. So what
    is missing in one of them is not a fault of these settings.
    https://learn.microsoft.com/entra/identity-platform/v2-protocols#endpoints
    """

    instance: str
    tenant_id: str
    client_id: str
    among_several: bool = False

    def of_tenant(self, tenant_id: str) -> Authority:
        """One of several tenants, for the same app."""
        return Authority(self.instance, tenant_id, self.client_id, among_several=True)

    @cached_property
    def url(self) -> str:
        """The authority's own address, without a slash at its end."""
        return f"{self.instance}/{self.tenant_id}"

    @cached_property
    def issuer(self) -> str:
        """The issuer of v2.0 tokens. Signing keys name it even where they sign v1.0 tokens.

        Of several tenants it is Entra's template: `{tenantid}` stands for the tenant. The host of External ID's issuer
        is the tenant id, by whichever name the tenant is asked.
        """
        tenant = "{tenantid}" if self.tenant_id == ORGANIZATIONS else self.tenant_id
        if host_of(self.instance).endswith(EXTERNAL_ID):
            return f"https://{tenant}{EXTERNAL_ID}/{tenant}/v2.0"
        return f"{self.instance}/{tenant}/v2.0"

    @cached_property
    def v1_issuer(self) -> str:
        """The issuer of v1.0 tokens.

        https://learn.microsoft.com/entra/identity-platform/access-tokens#token-formats
        """
        return f"https://{cloud_of(self.instance).v1_issuer}/{self.tenant_id}/"

    def discovered_issuer(self, issuer: object) -> str:
        """The issuer in a discovery document, if it differs from `issuer` and may; otherwise "".

        It may where the address of Entra is no name of Microsoft, such as a domain of one's own for External ID. Its
        path must be that of the tenant.
        """
        if not isinstance(issuer, str) or known_cloud(self.instance) or self.tenant_id == ORGANIZATIONS:
            return ""
        host = host_of(issuer)
        return issuer if host and issuer == f"https://{host}/{self.tenant_id}/v2.0" else ""

    @cached_property
    def discovery_url(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery 1.0 §4)."""
        return f"{self.url}/v2.0/.well-known/openid-configuration"

    @cached_property
    def realm(self) -> str:
        """The realm of a challenge in `WWW-Authenticate` (RFC 6750 §3)."""
        return self.tenant_id

    @cached_property
    def authorization_uri(self) -> str:
        """Where a user signs in again, for the challenge of a 401."""
        return f"{self.url}/oauth2/v2.0/authorize"

    @cached_property
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
        """As `own_address`. Of several tenants, the endpoint must be that of this tenant: it gets the user's token."""
        own = self.own_address(address)
        is_own = not self.among_several or urlsplit(own).path.startswith(f"/{self.tenant_id}/")
        return own if is_own else ""


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
