"""The registrations that every emulated tenant has; registrations.py adds what local-stack.toml says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .people import CONTOSO

CLIENT_ID = "c11e7a00-64d2-4f0b-9c57-1d2e3f4a5b6c"
MCP_CLIENT_ID = "3c9c11e4-75e3-4a1c-8d68-2e3f4a5b6c7d"
API_ID = "a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13"
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
VAULT_ID = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"

GRAPH_URI = "https://graph.microsoft.com"
VAULT_URI = "https://vault.azure.net"
TOKEN_EXCHANGE_URI = "api://AzureADTokenExchange"
REDIS_URI = "https://redis.azure.com"
MANAGEMENT_URIS = ("https://management.azure.com", "https://management.core.windows.net")
"""Azure Resource Manager, by either of its names."""

MANAGEMENT_ID = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
AZURE_CLI_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

EXPOSED_CLAIMS = frozenset({"idtyp", "acrs", "acct", "xms_act_fct", "xms_sub_fct", "xms_par_app_azp"})
"""The optional claims that the API and the APIs behind it ask for."""
OIDC_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})
"""Scopes of OpenID Connect; they belong to no resource of their own."""


@dataclass(frozen=True)
class Application:
    """One registration. `scopes` are those that it exposes, `requires` those that its manifest asks of others."""

    key: str
    name: str
    client_id: str
    identifier_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    app_roles: tuple[str, ...] = ()
    """The roles that it offers to applications (appRoles with the member type Application)."""
    token_version: int = 2
    public: bool = False
    device_codes: bool = False
    """Whether it is a public client where no redirect URI says so (isFallbackPublicClient)."""
    redirect_uris: tuple[str, ...] = ()
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known_clients: tuple[str, ...] = ()
    """Clients whose users consent to this application and what it requires in one go (knownClientApplications)."""
    pre_authorizes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Clients that may use these scopes without anybody's consent (preAuthorizedApplications)."""
    admin_only: frozenset[str] = frozenset()
    """The scopes that only an administrator can consent to."""
    v1_audience: str | None = None
    """`aud` of its v1 tokens; `api://` and its client id unless given."""
    for_several_tenants: bool = False
    """Whether other tenants may install it (signInAudience: AzureADMultipleOrgs)."""
    of_microsoft: bool = False
    """Whether Microsoft has registered it, in a tenant of its own."""
    spa_redirect_uris: tuple[str, ...] = ()
    """Redirect URIs of single-page apps."""
    optional_claims: frozenset[str] = frozenset()
    """Claims it asks to be put into tokens for it (optionalClaims.accessToken)."""

    @property
    def object_id(self) -> str:
        """The object id of its service principal, the `oid` of its own tokens."""
        return f"0b{self.client_id[2:]}"

    @property
    def registration_id(self) -> str:
        """The object id of its registration."""
        return f"0a{self.client_id[2:]}"

    def answers_to(self, identifier: str) -> bool:
        """Whether a scope prefix or an audience names this application."""
        return identifier == self.client_id or identifier.rstrip("/") in self.identifier_uris


CLIENT = Application(
    "client",
    "Sample client",
    CLIENT_ID,
    public=True,
    device_codes=True,
    redirect_uris=("http://localhost",),
    requires={"api": ("access_as_user",)},
)
MCP_CLIENT = Application(
    "mcp",
    "Sample MCP client",
    MCP_CLIENT_ID,
    public=True,
    redirect_uris=("http://localhost", "http://localhost/callback", "http://127.0.0.1"),
    requires={"api": ("access_as_user",)},
)
"""MCP clients that bring no registration of their own, such as Claude. Entra registers no client on demand."""
API = Application(
    "api",
    "Sample API",
    API_ID,
    identifier_uris=(f"api://{CONTOSO}/obo-api", f"api://{API_ID}"),
    scopes=("access_as_user",),
    redirect_uris=("http://localhost/_emulators/consented",),
    requires={"graph": ("User.Read",)},
    known_clients=(CLIENT_ID, MCP_CLIENT_ID),
    pre_authorizes={"client": ("access_as_user",), "mcp": ("access_as_user",)},
    optional_claims=EXPOSED_CLAIMS,
)
GRAPH = Application(
    "graph",
    "Microsoft Graph",
    GRAPH_ID,
    identifier_uris=(GRAPH_URI,),
    scopes=(
        "User.Read",
        "User.ReadBasic.All",
        "Mail.Read",
        "Files.Read",
        "Files.ReadWrite",
        "GroupMember.Read.All",
        "User.Read.All",
    ),
    token_version=1,
    v1_audience=GRAPH_URI,
    of_microsoft=True,
    app_roles=("User.Read.All", "User.ReadBasic.All", "GroupMember.Read.All", "Mail.Read"),
    admin_only=frozenset({"User.Read.All", "GroupMember.Read.All"}),
    optional_claims=frozenset({"idtyp", "acrs", "xms_cc"}),
)


MANAGEMENT = Application(
    "management",
    "Windows Azure Service Management API",
    MANAGEMENT_ID,
    identifier_uris=MANAGEMENT_URIS,
    scopes=("user_impersonation",),
    token_version=1,
    v1_audience=MANAGEMENT_URIS[0],
)
VAULT = Application(
    "vault",
    "Azure Key Vault",
    VAULT_ID,
    identifier_uris=(VAULT_URI,),
    scopes=("user_impersonation",),
    token_version=1,
    v1_audience=VAULT_URI,
)
AZURE_CLI = Application(
    "azure-cli", "Microsoft Azure CLI", AZURE_CLI_ID, public=True, redirect_uris=("http://localhost",)
)
"""Microsoft's own. The API pre-authorizes it, as DEVELOPER_TOOL_CLIENT_IDS does in Azure."""


@dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens stand for an application (federatedIdentityCredentials)."""

    issuer: str
    subject: str
    audiences: tuple[str, ...] = (TOKEN_EXCHANGE_URI,)
    name: str = "api-identity"


@dataclass(frozen=True)
class AgentIdentity:
    """An agent of Entra Agent ID, and the blueprint that it was made from.

    https://learn.microsoft.com/entra/agent-id/agent-token-claims
    """

    client_id: str
    blueprint: str
    name: str


AGENT = AgentIdentity(
    client_id="a9e47000-6f4d-4e8b-8c37-8d9e0f1a2b3c",
    blueprint="b1e94000-7a5e-4f9c-9d48-9e0f1a2b3c4d",
    name="Sample agent",
)
"""The agent through which some people call."""


@dataclass(frozen=True)
class ManagedIdentity:
    """A user-assigned identity, or with another `kind` the one that belongs to a resource."""

    client_id: str
    principal_id: str
    name: str
    kind: str = "Microsoft.ManagedIdentity/userAssignedIdentities"

    @property
    def resource_id(self) -> str:
        """Its path in Azure Resource Manager, which Entra puts into its tokens as `xms_mirid`."""
        group = "/subscriptions/5ab5c000-1a2b-4c3d-8e4f-5a6b7c8d9e0f/resourcegroups/obo-local"
        return f"{group}/providers/{self.kind}/{self.name}"


CERTIFICATE_IDENTITY = ManagedIdentity(
    client_id="1dce2700-2f4a-4c6b-8d15-6b7c8d9e0f1a",
    principal_id="94ce2700-5e3c-4d7a-9b26-7c8d9e0f1a2b",
    name="id-certificate-obo-local",
)
"""The identity of the deployment script that makes the API's client certificate."""

API_IDENTITY = ManagedIdentity(
    client_id="1de47170-8c2e-4b5a-9f03-4a5b6c7d8e9f",
    principal_id="94149c00-7d1f-4a3b-8c02-3f4e5d6c7b8a",
    name="id-obo-api",
)

SYSTEM_IDENTITY = ManagedIdentity(
    client_id="1de50500-3b7d-4c1e-8a64-5b6c7d8e9f0a",
    principal_id="94150500-6c2e-4f8b-9d13-4a5b6c7d8e9f",
    name="func-obo-local",
    kind="Microsoft.Web/sites",
)
"""The system-assigned identity of the API. It has one only where a test says so."""
