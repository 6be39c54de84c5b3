"""Reading the API's certificate from Key Vault, as a managed identity or as the developer who is signed in.

azure-identity and the Key Vault client are imported where they are used: most requests never need them.
"""

from __future__ import annotations

import base64
from typing import Any

from ..settings import CredentialSettings
from .azure_identity import azure_credential, azure_options
from .certificate import CertificateError


def read_key_vault(source: CredentialSettings) -> tuple[bytes, str]:
    """A certificate with its private key, as PFX or PEM bytes, and the id of its version.

    The key is in the *secret* of the same name, base64 PFX or PEM, told apart by the content type:
    https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate
    """
    from azure.core.exceptions import ServiceResponseError
    from azure.keyvault.secrets import SecretClient

    identity = azure_credential(source.managed_identity_client_id, retries=0)  # the vault's client repeats both
    with SecretClient(source.key_vault_url, identity, **azure_options()) as client, identity:
        name = source.key_vault_certificate_name
        refused = source.version_refused
        secret = client.get_secret(name, _version_before(client, name, refused) if refused else None)
    value = secret.value
    if not value:
        raise ServiceResponseError("no secret in the response")
    is_pem = secret.properties.content_type == "application/x-pem-file"
    return value.encode() if is_pem else decode(value), str(secret.properties.version)


def _version_before(client: Any, name: str, refused: str) -> str:
    """The id of the newest enabled version that is not newer than this one; Key Vault Secrets User may list them.

    Versions are dated by the second, so two can have one date; this one is told apart by its id.
    """
    versions = list(client.list_properties_of_secret_versions(name))
    until = max((version.created_on for version in versions if version.version == refused), default=None)
    earlier = [
        version
        for version in versions
        if version.enabled and version.version != refused and (until is None or version.created_on <= until)
    ]
    if not earlier:
        raise CertificateError("the vault has no earlier version")
    return str(max(earlier, key=lambda version: version.created_on).version)


def decode(value: str) -> bytes:
    """Base64. Raises CertificateError."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise CertificateError("not base64") from None
