"""The settings, in the schema of Microsoft.Identity.Web, read once from app settings (environment variables).

Every variable is listed in docs/configuration.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .environ import EnvironReader, Secret
from .errors import SettingsError

SOURCE_TYPES = ("KeyVault", "SignedAssertionFromManagedIdentity", "Path", "Base64Encoded", "ClientSecret")

_RESERVED_SCOPES = {"openid", "profile", "offline_access"}


@dataclass(frozen=True)
class CredentialSettings:
    """One entry of `AzureAd__ClientCredentials`: where the API's proof of identity comes from."""

    source_type: str
    key_vault_url: str = ""
    key_vault_certificate_name: str = ""
    versions_back: int = 0  # not a setting: 1 is the version before the newest
    managed_identity_client_id: str = ""
    token_exchange_url: str = ""
    certificate_disk_path: str = ""
    certificate_password: Secret = field(default_factory=lambda: Secret(""))
    base64_encoded_value: Secret = field(default_factory=lambda: Secret(""))
    client_secret: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True)
class DownstreamApiSettings:
    """One entry of `DownstreamApis`: an API that is called on the user's behalf, and the scopes asked for it."""

    name: str
    base_url: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """Everything the API must be told. Frozen; secrets do not show in its repr."""

    instance: str
    tenant_id: str
    client_id: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    allowed_clients: tuple[str, ...]
    client_capabilities: tuple[str, ...]
    enable_pii_logging: bool
    request_timeout: float  # seconds
    client_credentials: tuple[CredentialSettings, ...]
    downstream_apis: Mapping[str, DownstreamApiSettings]

    @property
    def authority(self) -> str:
        """The tenant's authority, without a slash at its end."""
        return f"{self.instance}/{self.tenant_id}"

    @property
    def authorization_uri(self) -> str:
        return f"{self.authority}/oauth2/v2.0/authorize"

    @property
    def admin_consent_url(self) -> str:
        """The page where an administrator consents to all that this API's registration asks for."""
        return f"{self.authority}/adminconsent?client_id={self.client_id}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from environment variables.

        Raises:
            SettingsError: names every missing, wrong or unknown variable at once.
        """
        env = EnvironReader(environ)
        client_id = env.guid("AzureAd__ClientId")
        settings = cls(
            instance=env.https_url("AzureAd__Instance", "https://login.microsoftonline.com/"),
            tenant_id=env.guid("AzureAd__TenantId"),
            client_id=client_id,
            audiences=env.words("AzureAd__Audiences", (client_id, f"api://{client_id}")),
            scopes=env.words("AzureAd__Scopes"),
            allowed_clients=tuple(word.lower() for word in env.words("AzureAd__AllowedClients")),
            client_capabilities=env.words("AzureAd__ClientCapabilities"),
            enable_pii_logging=env.flag("AzureAd__EnablePiiLogging"),
            request_timeout=env.whole_number("AzureAd__RequestTimeoutSeconds", 60, 1, 200),
            client_credentials=_client_credentials(env),
            downstream_apis=_downstream_apis(env),
        )
        if settings.downstream_apis and not settings.client_credentials:
            env.problems["AzureAd__ClientCredentials__0__SourceType"] = "is missing: On-Behalf-Of needs a credential"
        env.refuse_unknown("AzureAd", "DownstreamApis")
        if env.problems:
            raise SettingsError(env.problems)
        return settings


def _client_credentials(env: EnvironReader) -> tuple[CredentialSettings, ...]:
    entries: list[CredentialSettings] = []
    while str(len(entries)) in env.children("AzureAd__ClientCredentials"):
        entries.append(_client_credential(env, f"AzureAd__ClientCredentials__{len(entries)}__"))
    return tuple(entries)


def _client_credential(env: EnvironReader, at: str) -> CredentialSettings:
    source = env.one_of(at + "SourceType", SOURCE_TYPES)
    if not source:  # one problem is enough: what stands beside a wrong SourceType cannot be judged
        for name in env.children(at.removesuffix("__")):
            env.text(at + name, "")
        return CredentialSettings(source)
    if source == "KeyVault":
        return CredentialSettings(
            source,
            key_vault_url=env.https_url(at + "KeyVaultUrl"),
            key_vault_certificate_name=env.text(at + "KeyVaultCertificateName"),
            managed_identity_client_id=env.guid(at + "ManagedIdentityClientId", ""),
        )
    if source == "SignedAssertionFromManagedIdentity":
        return CredentialSettings(
            source,
            managed_identity_client_id=env.guid(at + "ManagedIdentityClientId"),
            token_exchange_url=env.text(at + "TokenExchangeUrl", "api://AzureADTokenExchange"),
        )
    if source == "Path":
        path, password = env.text(at + "CertificateDiskPath"), env.secret(at + "CertificatePassword", "")
        return CredentialSettings(source, certificate_disk_path=path, certificate_password=password)
    if source == "Base64Encoded":
        return CredentialSettings(
            source,
            base64_encoded_value=env.secret(at + "Base64EncodedValue"),
            certificate_password=env.secret(at + "CertificatePassword", ""),
        )
    return CredentialSettings(source, client_secret=env.secret(at + "ClientSecret"))


def _downstream_apis(env: EnvironReader) -> dict[str, DownstreamApiSettings]:
    apis = {}
    for name in env.children("DownstreamApis"):
        at = f"DownstreamApis__{name}__"
        scopes = env.words(at + "Scopes")
        if not scopes:
            env.problems.setdefault(at + "Scopes", "is missing")
        if _RESERVED_SCOPES.intersection(scopes):
            env.problems[at + "Scopes"] = "must name scopes of the API; OpenID Connect's own are asked for anyway"
        apis[name.lower()] = DownstreamApiSettings(name, env.https_url(at + "BaseUrl"), scopes)
    return apis
