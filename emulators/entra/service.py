"""What all endpoints of the emulated Entra share: directory, keys, clock, and what was issued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from ..applications import API_IDENTITY, GRAPH_URI, TOKEN_EXCHANGE_URI, Application, ManagedIdentity
from ..directory import AUTH_CONTEXTS, Directory
from ..people import CONTOSO, CUSTOMERS
from .app_claims import app_only_claims, managed_identity_claims
from .claims import Grant, access_token_claims, id_token_claims
from .claims_request import ClaimsRequest, parse_claims_request
from .records import Code, DeviceSignIn, RefreshGrant, Visit
from .refusals import EntraError
from .signing import SigningKeys
from .stores import ExpiringStore

HOST = "login.microsoftonline.com"
CUSTOMER_HOSTS = (f"{CUSTOMERS}.ciamlogin.com", "customers.ciamlogin.com")
"""The two names of the tenant of External ID."""
SHARED_TENANTS = ("common", "organizations", "consumers")


def hosts_of(tenant: str) -> tuple[str, ...]:
    """The hosts at which this tenant signs in."""
    return CUSTOMER_HOSTS if tenant == CUSTOMERS else (HOST,)


@lru_cache(maxsize=64)
def _claims_request(text: str | None) -> ClaimsRequest:
    """Kept, because a call reads its parameter three times, and calls of one client have the same."""
    return parse_claims_request(text, AUTH_CONTEXTS)


class Entra:
    """The emulated service. `lifetime` is that of access tokens, in seconds."""

    def __init__(self, directory: Directory, keys: SigningKeys, now: Callable[[], float]) -> None:
        self.directory = directory
        self.keys = keys
        self.now = now
        self.sign_in_url = ""
        """Where a person's browser reaches the sign-in pages; set once the port is known."""
        self.on_token: Callable[[str], None] = lambda _: None
        """Told of each token that was issued, and of each client assertion that was verified."""
        self.lifetime = 3600.0
        self.device_code_interval = 5
        """Seconds a client must wait between two polls with a device code."""
        self.visits: ExpiringStore[Visit] = ExpiringStore(now, capacity=1_000)
        self.codes: ExpiringStore[Code] = ExpiringStore(now)
        self.refresh_tokens: ExpiringStore[RefreshGrant] = ExpiringStore(now)
        self.device_codes: ExpiringStore[DeviceSignIn] = ExpiringStore(now, capacity=1_000)
        self.user_codes: ExpiringStore[DeviceSignIn] = ExpiringStore(now, capacity=1_000)
        self.assertion_ids: ExpiringStore[str] = ExpiringStore(now)

    def tenant(self, name: str) -> str:
        """The id of the tenant in a path; refuses unknown ones."""
        tenant = self.directory.tenant(name)
        if tenant is None:
            raise EntraError(90002, tenant=name)
        return tenant

    def client(self, tenant_name: str, client_id: str) -> tuple[str, Application]:
        """Tenant id and application. Refuses an application that the tenant does not have or has disabled.

        It also refuses /common and the like. For several tenants Entra would ask the person; here each tenant is named.
        """
        shared = tenant_name.lower() in SHARED_TENANTS
        tenant = CONTOSO if shared else self.tenant(tenant_name)
        client = self.directory.application(client_id, tenant)
        if client is None:
            raise EntraError(700016, client=client_id, tenant=tenant_name)
        if shared:
            raise EntraError(50059 if client.for_several_tenants else 50194, client=client.name, tenant=tenant_name)
        if self.directory.is_disabled(tenant, client):
            raise EntraError(7000112, client=client.name)
        return tenant, client

    def claims_request(self, text: str | None) -> ClaimsRequest:
        """A `claims` parameter, read and checked."""
        return _claims_request(text)

    def access_token(
        self,
        grant: Grant,
        lifetime: float | None = None,
        version: int | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> str:
        """A delegated access token. `changes` overrides claims; None removes one."""
        version = version or grant.resource.token_version
        claims = access_token_claims(grant, self.now(), self.lifetime if lifetime is None else lifetime, version)
        return self._signed({**claims, **(changes or {})}, version)

    def id_token(self, grant: Grant, nonce: str | None = None, changes: Mapping[str, object] | None = None) -> str:
        """An ID token for the client of the grant."""
        return self._signed({**id_token_claims(grant, self.now(), 3600, nonce), **(changes or {})}, 2)

    def app_token(
        self,
        client: Application,
        resource: Application,
        roles: tuple[str, ...],
        version: int | None = None,
        changes: Mapping[str, object] | None = None,
        proof: str = "2",
        tenant: str = CONTOSO,
    ) -> str:
        """A genuine app-only token: `client` as itself, for nobody. `changes` overrides claims; None removes one.

        `proof`: how the client proved itself, as in `azpacr`.
        """
        version = version or resource.token_version
        audience = resource.client_id if version == 2 else resource.v1_audience or resource.identifier_uris[0]
        claims = app_only_claims(
            tenant, client.client_id, client.object_id, audience, self.now(), self.lifetime, version, roles
        )
        claims["azpacr" if version == 2 else "appidacr"] = proof
        if not self.directory.asks_for_claim(resource, "idtyp"):
            del claims["idtyp"]
        return self._signed({**claims, **(changes or {})}, version)

    def identity_token(self, audience: str, lifetime: float, identity: ManagedIdentity = API_IDENTITY) -> str:
        """A token of a managed identity. Key Vault's are v1, those for federation v2, as in Azure."""
        version = 2 if audience == TOKEN_EXCHANGE_URI else 1
        claims = managed_identity_claims(identity, CONTOSO, audience, self.now(), lifetime, version)
        return self._signed(claims, version)

    def _signed(self, claims: Mapping[str, object], version: int) -> str:
        header = {"x5t": self.keys.current.x5t} if version == 1 else {}
        sign = self.keys.sign_for_graph if claims.get("aud") == GRAPH_URI else self.keys.sign
        token = sign(header, {name: value for name, value in claims.items() if value is not None})
        self.on_token(token)
        return token
