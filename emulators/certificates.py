"""Self-signed certificates: the API's client certificate, and those that Entra publishes with its signing keys."""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


def base64url(data: bytes) -> str:
    """Base64 for URLs without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Certificate:
    """An RSA key and the self-signed certificate for it."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @cached_property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def x5t(self) -> str:
        """SHA-1 thumbprint, base64url (RFC 7515, 4.1.7)."""
        return base64url(self.certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - the header is defined as SHA-1

    @cached_property
    def x5t_s256(self) -> str:
        """SHA-256 thumbprint, base64url (RFC 7515, 4.1.8)."""
        return base64url(self.certificate.fingerprint(hashes.SHA256()))

    @property
    def not_before(self) -> int:
        """Start of validity, in seconds since the epoch."""
        return int(self.certificate.not_valid_before_utc.timestamp())

    @property
    def not_after(self) -> int:
        """End of validity, in seconds since the epoch."""
        return int(self.certificate.not_valid_after_utc.timestamp())

    def pem(self, *, with_key: bool = True) -> bytes:
        """Key (PKCS#8, not encrypted) and certificate, one after the other; or the certificate alone."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key = self.key.private_bytes(encoding, form, serialization.NoEncryption()) if with_key else b""
        return key + self.certificate.public_bytes(encoding)

    def pfx(self, password: str | None = None, *, with_key: bool = True) -> bytes:
        """Key and certificate as PKCS#12, as Key Vault hands them out when no password is given."""
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            protection = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(
            b"api-client", self.key if with_key else None, self.certificate, None, protection
        )


def issue_certificate(common_name: str, now: float, days: int = 365) -> Certificate:
    """A new key with a self-signed certificate, valid from a minute ago for `days` days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(minutes=1)
    return self_signed(name, start, start + datetime.timedelta(days=days))


def self_signed(
    name: x509.Name, start: datetime.datetime, end: datetime.datetime, key: rsa.RSAPrivateKey | None = None
) -> Certificate:
    """A self-signed certificate of this name between two moments, for a new key unless one is given."""
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return Certificate(key, certificate)
