"""One Entra tenant as this API's authority: its issuers, its endpoints, and which addresses are on its own host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Authority:
    """The tenant `tenant_id` at `instance`, such as https://login.microsoftonline.com, for the app `client_id`.

    https://learn.microsoft.com/entra/identity-platform/v2-protocols#endpoints
    """

    instance: str
    tenant_id: str
    client_id: str

    @cached_property
    def url(self) -> str:
        """The authority's own address, without a slash at its end."""
        return f"{self.instance}/{self.tenant_id}"

    @cached_property
    def issuer(self) -> str:
        """The issuer of v2.0 tokens. Signing keys name it even where they sign v1.0 tokens."""
        return f"{self.url}/v2.0"

    @cached_property
    def token_issuers(self) -> tuple[tuple[str, str], ...]:
        """The pairs of `ver` and `iss` that an access token of this tenant may have.

        https://learn.microsoft.com/entra/identity-platform/access-tokens#token-formats
        """
        return ("1.0", f"https://sts.windows.net/{self.tenant_id}/"), ("2.0", self.issuer)

    @cached_property
    def discovery_url(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery 1.0 §4)."""
        return f"{self.issuer}/.well-known/openid-configuration"

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
        """The address, normalized, if its scheme, host, port and user are the authority's; "" for anything else."""
        try:
            own = normalized(address) if isinstance(address, str) else ""
            return own if urlsplit(own)[:2] == urlsplit(normalized(self.url))[:2] else ""
        except ValueError:
            return ""


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
