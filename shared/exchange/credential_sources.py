"""Loads the credential that proves the API to Entra, from one of six sources, in the order of the settings.

    KeyVault                            a certificate in Key Vault, read through managed identity
    SignedAssertionFromVault            a certificate whose key stays in the vault, which signs: credential_vault_key
    SignedAssertionFromManagedIdentity  a managed identity's own token (workload identity federation): nothing to rotate
    Path, Base64Encoded                 a certificate from a file or a setting
    ClientSecret                        a secret, for development

`credential` and `credential_loads` decide when a credential is loaded.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import ServerMisconfigured, ServiceUnavailable
from ..settings import Authority, CredentialSettings
from .azure_identity import LateCredential, azure_credential, azure_options, managed_identity
from .certificate import NEWEST_DISABLED, Certificate, CertificateError, load_certificate, log_validity, newest_version
from .credential_failures import (
    CREDENTIAL_RETRY_AFTER_SECONDS,
    VaultResponseError,
    as_api_error,
    describe,
    is_passing,
    says_version_is_disabled,
    seconds_to_wait,
)

NEVER = float("-inf")

log = logging.getLogger(__name__)


class ClientCredential(Protocol):
    """A loaded credential. Thread-safe."""

    source_type: str

    @property
    def version(self) -> str:
        """The id of the version in the vault; "" if the credential is not from a vault."""
        ...

    @property
    def broken_at(self) -> float:
        """When a request last failed for want of an assertion. NEVER if none failed, or one succeeded since."""
        ...

    def for_msal(self) -> str | dict[str, Any]:
        """What `msal.ConfidentialClientApplication` takes as `client_credential`."""
        ...


class CertificateCredential:
    broken_at = NEVER

    def __init__(self, source_type: str, certificate: Certificate, now: Callable[[], float], version: str = "") -> None:
        self.source_type, self._certificate, self.version = source_type, certificate, version
        log_validity(source_type, certificate.not_after, now())

    def for_msal(self) -> dict[str, Any]:
        return {"private_key": self._certificate.key, "public_certificate": self._certificate.pem}


class FederatedCredential:
    """A managed identity's own token as the client assertion (workload identity federation).

    https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
    """

    version = ""

    def __init__(self, source: CredentialSettings, now: Callable[[], float]) -> None:
        self.source_type, self._source, self._now = source.source_type, source, now
        self.broken_at = NEVER
        self._scope = f"{source.token_exchange_url}/.default"
        self._identity = managed_identity(source.managed_identity_client_id)
        self._assertion()  # fails here if there is no identity, so that the next source is tried

    def for_msal(self) -> dict[str, Any]:
        return {"client_assertion": self._assertion_for}

    def _assertion_for(self) -> str:
        """The assertion that MSAL asks for. An error of azure-identity becomes one that says what to do."""
        try:
            assertion = self._assertion()
        except Exception as error:  # noqa: BLE001 — errors of several libraries; as_api_error tells what they mean
            self.broken_at = self._now()
            raise as_api_error(error, self._source, self._now()) from None
        self.broken_at = NEVER
        return assertion

    def _assertion(self) -> str:
        token: str = self._identity.get_token(self._scope).token
        return token


class SecretCredential:
    version, broken_at = "", NEVER

    def __init__(self, source: CredentialSettings) -> None:
        self.source_type, self._secret = source.source_type, source.client_secret

    def for_msal(self) -> str:
        return self._secret.reveal()


def load_client_credential(
    sources: Sequence[CredentialSettings], now: Callable[[], float], authority: Authority
) -> ClientCredential:
    """The first credential that can be loaded. The log says which one that is, and why others failed.

    Args:
        authority: the first assertion of SignedAssertionFromVault is for its token endpoint.

    Raises:
        ServiceUnavailable: none could be loaded, and a service (vault, managed identity) may recover soon.
        ServerMisconfigured: none could be loaded, and only an operator can fix that.
    """
    may_recover, wait, failures = False, 0, []
    for source in sources:
        try:
            credential = _load(source, now, authority)
        except Exception as error:  # noqa: BLE001 — after any failure of one source, the next one is tried
            may_recover, wait = may_recover or is_passing(error, source), max(wait, seconds_to_wait(error, now()))
            failures.append(f"{source.source_type}: {describe(error, source)}")
            log.warning("client credential: %s could not be loaded (%s)", source.source_type, describe(error, source))
        else:
            log.info("client credential: using %s", credential.source_type)
            return credential
    if may_recover:
        raise ServiceUnavailable(
            retry_after=wait or CREDENTIAL_RETRY_AFTER_SECONDS, reason=f"no client credential ({', '.join(failures)})"
        )
    raise ServerMisconfigured(reason=f"no client credential ({', '.join(failures)})")


def _load(source: CredentialSettings, now: Callable[[], float], authority: Authority) -> ClientCredential:
    if source.source_type == "SignedAssertionFromVault":
        from .credential_vault_key import VaultKeyCredential

        return VaultKeyCredential(source, now, authority)
    if source.source_type == "ClientSecret":
        return SecretCredential(source)
    if source.source_type == "SignedAssertionFromManagedIdentity":
        return FederatedCredential(source, now)
    if source.source_type == "KeyVault":
        data, version = _read_key_vault(source)
        return CertificateCredential(source.source_type, load_certificate(data), now, version)
    if source.source_type == "Path":
        data = Path(source.certificate_disk_path).read_bytes()
    else:
        data = _decode(source.base64_encoded_value.reveal())
    return CertificateCredential(source.source_type, load_certificate(data, source.certificate_password.reveal()), now)


def _read_key_vault(source: CredentialSettings) -> tuple[bytes, str]:
    """A certificate with its private key, as PFX or PEM bytes, and the id of its version.

    The private key is in the *secret* of the same name. Its content type says whether it is base64 PFX or PEM:
    https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate
    """
    from azure.keyvault.secrets import SecretClient

    # The vault's client repeats the requests of the identity as well:
    identity = LateCredential(lambda: azure_credential(source.managed_identity_client_id, retries=0))
    with SecretClient(source.key_vault_url, identity, **azure_options()) as client, identity:
        try:
            secret = _secret(client, source.key_vault_certificate_name, source.version_refused)
            value, properties = secret.value, secret.properties
        except (AttributeError, TypeError):  # the vault's client takes any JSON for an object
            value = None
    if not value:
        raise VaultResponseError("no secret in the response")
    is_pem = properties.content_type == "application/x-pem-file"
    return value.encode() if is_pem else _decode(value), str(properties.version)


def _secret(client: Any, name: str, refused: str) -> Any:
    """The newest enabled version of the secret, or the one before a version that Entra refused."""
    from azure.core.exceptions import HttpResponseError

    if not refused:
        try:
            return client.get_secret(name)
        except HttpResponseError as error:
            if not says_version_is_disabled(error):
                raise
    secret = client.get_secret(name, newest_version(client.list_properties_of_secret_versions(name), refused))
    if not refused:
        log.warning(NEWEST_DISABLED)
    return secret


def _decode(value: str) -> bytes:
    """The bytes of a base64 text. Raises CertificateError."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise CertificateError("not base64") from None
