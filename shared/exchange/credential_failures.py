"""Why a vault or an identity brought no credential: whether it may recover, when to try again, and what to fix.

Texts of libraries can quote what was sent. So the log gets only the type of the error, its status, and known codes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import ApiError, ServerMisconfigured, ServiceUnavailable
from ..net import Response
from ..settings import CredentialSettings, host_of
from .certificate import CertificateError

CREDENTIAL_RETRY_AFTER_SECONDS = 10  # if the vault or the identity names no time
MAX_VAULT_RETRY_AFTER_SECONDS = 600
_PASSING_STATUSES = (408, 429)
_IDENTITY_STATUS = re.compile(r"Token request error: \(\w+\) ([1-5]\d\d)\b")  # azure-identity 1.27, of App Service

_SIGNS = "SignedAssertionFromVault"
_FORBIDDEN = ("ForbiddenByRbac", "ForbiddenByPolicy", "ForbiddenByFirewall", "ForbiddenByConnection", "AccessDenied")

# https://learn.microsoft.com/azure/key-vault/general/rest-error-codes and the vault's `innererror`
_ADVICE_BY_CODE = {
    "ForbiddenByRbac": "give the identity the role Key Vault Secrets User",
    "ForbiddenByPolicy": "the vault's access policy must let the identity get secrets",
    "ForbiddenByFirewall": "the vault's firewall must let this app in",
    "ForbiddenByConnection": "the vault takes private connections alone",
    "AccessDenied": "the vault denies the identity access",
    "SecretDisabled": "the newest version in the vault is disabled",
    "SecretNotFound": "the vault has no certificate of this name; is KeyVaultCertificateName right?",
    "KeyDisabled": "the version in the vault is disabled",
    "KeyNotFound": "the vault has no key of this name or version",
    "CertificateNotFound": "the vault has no certificate of this name; is KeyVaultCertificateName right?",
    "Throttled": "the vault takes no more requests at the moment",
}
_ADVICE_TO_SIGN = {
    "ForbiddenByRbac": "give the identity the roles Key Vault Crypto User and Key Vault Reader",
    "ForbiddenByPolicy": "the vault's access policy must let the identity get certificates, get keys, and sign",
}
_ADVICE_BY_FILE: dict[type[Exception], str] = {
    FileNotFoundError: "there is no file at CertificateDiskPath",
    PermissionError: "this process may not read the file at CertificateDiskPath",
    IsADirectoryError: "CertificateDiskPath is a folder",
}
_PACKAGES = {"KeyVault": "azure-keyvault-secrets", _SIGNS: "azure-keyvault-keys"}


class VaultResponseError(Exception):
    """The vault's response cannot be used. The text never quotes what was read."""


def as_api_error(error: Exception, source: CredentialSettings, now: float) -> ApiError:
    """The error for a request that needs the credential."""
    reason = f"no client assertion ({source.source_type}: {describe(error, source)})"
    if is_passing(error, source):
        wait = seconds_to_wait(error, now) or CREDENTIAL_RETRY_AFTER_SECONDS
        return ServiceUnavailable(retry_after=wait, reason=reason)
    return ServerMisconfigured(reason=reason)


def is_passing(error: Exception, source: CredentialSettings) -> bool:
    """Whether the source may recover soon. A clear refusal, or an error of our own code, is final."""
    if isinstance(error, ImportError):
        return False
    from azure.core.exceptions import AzureError
    from azure.identity import CredentialUnavailableError

    status = _status_of(error)
    if _says_nobody_is_signed_in(error, source):
        return False
    if isinstance(error, CredentialUnavailableError) and not status:
        return True
    if isinstance(error, (json.JSONDecodeError, VaultResponseError)):  # a library got a response that is not JSON
        return True
    return isinstance(error, AzureError) and (status in _PASSING_STATUSES or not 400 <= status < 500)


def seconds_to_wait(error: Exception, now: float) -> int:
    """The Retry-After of a busy vault, in seconds; 0 if it names none."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return min(Response(0, headers, b"").retry_after(now) or 0, MAX_VAULT_RETRY_AFTER_SECONDS)


def describe(error: Exception, source: CredentialSettings) -> str:
    """Kind, status and code of the failure, and what to do where that is known."""
    if isinstance(error, ImportError):
        package = _PACKAGES.get(source.source_type, "") if "keyvault" in str(error.name) else "azure-identity"
        return f"{type(error).__name__}: the package {package} is not installed, put it into requirements.txt"
    status, code = _status_of(error), _vault_code(error)
    own = str(error) if isinstance(error, (CertificateError, VaultResponseError)) else ""
    own = own or _ADVICE_BY_FILE.get(type(error), "")
    advice = own or _advice_of_vault(source, status, code) or _advice_about_identity(error, source, status)
    advice = advice or _advice_about_connection(error, source)
    words = [type(error).__name__, *([str(status)] if status else []), *([code] if code else [])]
    return f"{' '.join(words)}{f': {advice}' if advice else ''}"


def says_version_is_disabled(error: Exception) -> bool:
    """Whether the vault refuses because this version of the secret is disabled."""
    return _vault_code(error) == "SecretDisabled"


def says_version_is_unusable(error: Exception) -> bool:
    """Whether the vault does not sign with this version: it is disabled or removed, or its time is over."""
    return _status_of(error) == 404 or (_status_of(error) == 403 and _vault_code(error) not in _FORBIDDEN)


def _advice_of_vault(source: CredentialSettings, status: int, code: str) -> str:
    """What to do about a code of the vault, and which vault it is: the setting may name another one than was meant."""
    advice = _advice_by_code(source, status, code)
    return f"{advice} (vault {host_of(source.key_vault_url)})" if advice else ""


def _advice_by_code(source: CredentialSettings, status: int, code: str) -> str:
    if source.source_type != _SIGNS:
        return _ADVICE_BY_CODE.get(code, "")
    if status == 403 and not code:
        return "the vault does not sign with this version: its time is over, or has not begun"
    return _ADVICE_TO_SIGN.get(code, "") or _ADVICE_BY_CODE.get(code, "")


def _advice_about_identity(error: Exception, source: CredentialSettings, status: int) -> str:
    from azure.identity import CredentialUnavailableError

    if _says_nobody_is_signed_in(error, source):
        return "nobody is signed in to Azure, type `az login`; in Azure, ManagedIdentityClientId must name the identity"
    if not isinstance(error, CredentialUnavailableError):
        return ""
    if status != 400:
        return ""
    if not source.managed_identity_client_id:
        return "the app has no system-assigned identity; turn it on, or set ManagedIdentityClientId"
    return "the identity with this client id is not assigned to the app"


def _says_nobody_is_signed_in(error: Exception, source: CredentialSettings) -> bool:
    """Whether no sign-in of a developer brought a token. DefaultAzureCredential says so with either error."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CredentialUnavailableError

    is_own_sign_in = not source.managed_identity_client_id and source.source_type in _PACKAGES
    brought_none = isinstance(error, (ClientAuthenticationError, CredentialUnavailableError)) and not _status_of(error)
    return is_own_sign_in and brought_none


def _advice_about_connection(error: Exception, source: CredentialSettings) -> str:
    """The kind of failure, and the setting that names the host, if it is the vault's."""
    from ..net.failure_words import UNKNOWN_NAME, words_for

    words = words_for(error)
    sent = getattr(getattr(error, "inner_exception", None), "request", None)
    host = host_of(str(getattr(sent, "url", "")))
    if words and host and host == host_of(source.key_vault_url):
        hint = "is KeyVaultUrl right, and may this app reach it?" if words == UNKNOWN_NAME else "see KeyVaultUrl"
        return f"{words} (vault {host}); {hint}"
    return words


def _status_of(error: Exception) -> int:
    """The HTTP status behind a failure; 0 where there is none."""
    from azure.identity import CredentialUnavailableError

    status = getattr(error, "status_code", None)
    if not status and isinstance(error, CredentialUnavailableError):
        told = _IDENTITY_STATUS.search(str(error))
        status = int(told[1]) if told else 0
    return status if isinstance(status, int) else 0


def _vault_code(error: Exception) -> str:
    """The innermost code in the vault's response, if it is one of those known here."""
    try:
        part: Any = json.loads(error.response.text())["error"]  # type: ignore[attr-defined]
        codes = [part.get("code"), (part.get("innererror") or {}).get("code")]
    except (AttributeError, ValueError, TypeError, KeyError):
        return ""
    return next((code for code in reversed(codes) if code in _ADVICE_BY_CODE), "")
