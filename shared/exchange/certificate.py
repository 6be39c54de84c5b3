"""Parses the API's client certificate from PFX or PEM bytes. MSAL signs client assertions with its key.

MSAL signs with PS256, and names the certificate by its SHA-256 thumbprint. It reuses an assertion for nine minutes:
https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


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
    secret = password.encode() or None
    try:
        key, certificate = _from_pem(data, secret) if b"-----BEGIN" in data else _from_pfx(data, secret)
    except (ValueError, TypeError):
        raise CertificateError("damaged, or the password is wrong") from None
    if not isinstance(key, RSAPrivateKey) or certificate is None:
        raise CertificateError("needs an RSA private key together with its certificate")
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return Certificate(key, pem, certificate.not_valid_after_utc.astimezone(UTC))


def _from_pfx(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    return key, certificate


def _from_pem(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    """The key, and its certificate at any place in the chain."""
    key = load_pem_private_key(data, password)
    for block in _PEM_CERTIFICATE.findall(data):
        certificate = x509.load_pem_x509_certificate(block)
        if certificate.public_key() == key.public_key():
            return key, certificate
    return key, None
