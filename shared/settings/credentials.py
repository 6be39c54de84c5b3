"""Reads `AzureAd__ClientCredentials`: the sources of the API's own credential, in their order."""

from __future__ import annotations

import re
from typing import NamedTuple

from .clouds import Cloud
from .environ import EnvironReader, Secret

SOURCE_TYPES = (
    *("KeyVault", "SignedAssertionFromVault", "SignedAssertionFromManagedIdentity"),
    *("Path", "Base64Encoded", "ClientSecret"),
)


# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name
_VAULT_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


class CredentialSettings(NamedTuple):
    """One entry of `AzureAd__ClientCredentials`: one source of the API's own credential."""

    source_type: str
    key_vault_url: str = ""
    key_vault_certificate_name: str = ""
    version_refused: str = ""  # not a setting: the id of a refused version; the version before it is read
    managed_identity_client_id: str = ""
    token_exchange_url: str = ""
    certificate_disk_path: str = ""
    certificate_password: Secret = Secret("")
    base64_encoded_value: Secret = Secret("")
    client_secret: Secret = Secret("")


def client_credentials(env: EnvironReader, cloud: Cloud) -> tuple[CredentialSettings, ...]:
    """All entries, numbered without a gap. Problems are in `env.problems`. `cloud` is the cloud of Entra."""
    entries: list[CredentialSettings] = []
    while str(len(entries)) in env.children("AzureAd__ClientCredentials"):
        entries.append(_client_credential(env, f"AzureAd__ClientCredentials__{len(entries)}__", cloud))
    return tuple(entries)


def _client_credential(env: EnvironReader, at: str, cloud: Cloud) -> CredentialSettings:
    source = env.one_of(at + "SourceType", SOURCE_TYPES)
    if not source:  # one problem is enough: the other variables of a wrong SourceType cannot be judged
        for name in env.children(at.removesuffix("__")):
            env.text(at + name, "")
        return CredentialSettings(source)
    if source in ("KeyVault", "SignedAssertionFromVault"):
        url, name = env.https_url(at + "KeyVaultUrl"), env.text(at + "KeyVaultCertificateName")
        env.refuse_path(at + "KeyVaultUrl", url, f"the certificate is {at}KeyVaultCertificateName")
        if name and not _VAULT_NAME.fullmatch(name):
            problem = "must be the name of the certificate alone: letters, digits and dashes"
            env.problems.setdefault(at + "KeyVaultCertificateName", problem)
        return CredentialSettings(
            source,
            key_vault_url=url,
            key_vault_certificate_name=name,
            managed_identity_client_id=env.guid(at + "ManagedIdentityClientId", ""),
        )
    if source == "SignedAssertionFromManagedIdentity":
        return CredentialSettings(
            source,
            managed_identity_client_id=env.guid(at + "ManagedIdentityClientId", ""),
            token_exchange_url=env.text(at + "TokenExchangeUrl", cloud.token_exchange_url),
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
