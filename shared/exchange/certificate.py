"""The API's client certificate: from PFX or PEM to signed client assertions.

Format of the assertion: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

ASSERTION_SECONDS = 600
_NOT_BEFORE_SLACK = 60  # the two clocks may differ by as much
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertificateError(Exception):
    """The bytes hold no usable RSA key with its certificate. Its text says what is wrong, never what was read."""


@dataclass(frozen=True)
class Certificate:
    """A private key, parsed once, and the SHA-256 thumbprint by which Entra finds the public part."""

    key: RSAPrivateKey
    thumbprint: str  # base64url without padding, RFC 7515 §4.1.8
    not_after: datetime

    def client_assertion(self, client_id: str, audience: str, now: Callable[[], float]) -> str:
        """A new signed assertion that `client_id` sends to `audience` (a token endpoint); valid for ten minutes.

        One per request: signing takes a quarter of a millisecond, and no assertion is ever seen twice.
        """
        issued_at = int(now())
        claims = {
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": str(uuid.uuid4()),
            "iat": issued_at,
            "nbf": issued_at - _NOT_BEFORE_SLACK,
            "exp": issued_at + ASSERTION_SECONDS,
        }
        return jwt.encode(claims, self.key, algorithm="PS256", headers={"x5t#S256": self.thumbprint})


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
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return Certificate(
        key,
        base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode(),
        certificate.not_valid_after_utc.astimezone(UTC),
    )


def _from_pfx(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    return key, certificate


def _from_pem(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None]:
    """The certificate that belongs to the key, wherever it stands in the chain."""
    key = load_pem_private_key(data, password)
    for block in _PEM_CERTIFICATE.findall(data):
        certificate = x509.load_pem_x509_certificate(block)
        if certificate.public_key() == key.public_key():
            return key, certificate
    return key, None
