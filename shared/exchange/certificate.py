"""The API's client certificate: parses PFX or PEM bytes, tells when it ends, and picks a version from a vault.

MSAL signs client assertions with the certificate's key and PS256. MSAL names the certificate by its SHA-256 thumbprint,
and reuses an assertion for nine minutes: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported inside functions: cryptography is not needed before a certificate has arrived
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

EXPIRY_WARNING_DAYS = 30
NEWEST_DISABLED = "client credential: the newest version in the vault is disabled; using the one before"
_NO_PRIVATE_KEY = (
    "no private key (not exportable?); SourceType SignedAssertionFromVault works with a key that stays in the vault"
)
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

log = logging.getLogger(__name__)


class CertificateError(Exception):
    """The bytes hold no usable RSA key with its certificate. The text never quotes what was read."""


@dataclass(frozen=True, repr=False)
class Certificate:
    """A private key, parsed once, and its certificate as PEM text."""

    key: RSAPrivateKey
    pem: str
    not_after: datetime


def load_certificate(data: bytes, password: str = "") -> Certificate:
    """A certificate with its private key, from PKCS#12 (PFX) or PEM bytes; the password may be empty.

    Raises:
        CertificateError: wrong password, damaged bytes, no key, or a key that is not RSA.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    secret = password.encode() or None
    try:
        key, certificate = _from_pem(data, secret) if b"-----BEGIN" in data else _from_pfx(data, secret)
    except (ValueError, TypeError):
        raise CertificateError("damaged, or the password is wrong") from None
    if key is None:
        raise CertificateError(_NO_PRIVATE_KEY)
    if not isinstance(key, RSAPrivateKey) or certificate is None:
        raise CertificateError("needs an RSA private key together with its certificate")
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return Certificate(key, pem, certificate.not_valid_after_utc)


def log_validity(source_type: str, not_after: datetime, now: float) -> None:
    """Logs when the certificate ends: a warning in its last EXPIRY_WARNING_DAYS days, an error after its end."""
    until, days = not_after.date(), math.floor((not_after.timestamp() - now) / 86_400)
    if days >= EXPIRY_WARNING_DAYS:
        log.info("client credential: certificate from %s, valid to %s", source_type, until)
    elif days >= 0:
        log.warning(
            "client credential: certificate from %s ends in %d days, on %s: rotate it", source_type, days, until
        )
    else:
        log.error("client credential: certificate from %s ended on %s: Entra refuses it, rotate it", source_type, until)


def newest_version(versions: Iterable[Any], refused: str = "") -> str:
    """The id of the newest enabled version. With `refused`, the newest enabled version before that one.

    Two versions may have the same date, because dates are in seconds. So `refused` itself is excluded by its id.

    Args:
        versions: the properties of all versions, as the vault's clients list them for secrets and for keys.

    Raises:
        CertificateError: there is no such version.
    """
    known = list(versions)
    until = max((version.created_on for version in known if version.version == refused), default=None)
    usable = [
        version
        for version in known
        if version.enabled and version.version != refused and (until is None or version.created_on <= until)
    ]
    if not usable:
        raise CertificateError(f"the vault has no {'earlier' if refused else 'enabled'} version")
    return str(max(usable, key=lambda version: version.created_on).version)


def _from_pfx(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    from cryptography.hazmat.primitives.serialization import pkcs12

    key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    return key, certificate


def _from_pem(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    """The key, and its certificate at any place in the chain. None for both if there are only certificates."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"PRIVATE KEY-----" not in data and _PEM_CERTIFICATE.search(data):
        return None, None
    key = load_pem_private_key(data, password)
    for block in _PEM_CERTIFICATE.findall(data):
        certificate = x509.load_pem_x509_certificate(block)
        if certificate.public_key() == key.public_key():
            return key, certificate
    return key, None
