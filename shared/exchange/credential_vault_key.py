"""Signs client assertions with the key of a certificate in Key Vault. The private key never leaves the vault.

The vault signs a SHA-256 digest (PS256). The process reads the public certificate alone, through `certificates/read`.
The vault's secret of that name would hold the private key, if somebody made the key exportable. The roles are Key Vault
Crypto User and Key Vault Reader. This module is imported only for the source SignedAssertionFromVault.

https://learn.microsoft.com/entra/identity-platform/certificate-credentials
https://learn.microsoft.com/rest/api/keyvault/keys/sign/sign
"""

from __future__ import annotations

import base64
import hashlib
import logging
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..net import compact
from ..settings import Authority, CredentialSettings, normalized
from .azure_identity import LateCredential, azure_credential, azure_options
from .certificate import NEWEST_DISABLED, log_validity, newest_version
from .credential_assertions import ASSERTION_SECONDS, SignedAssertions
from .credential_failures import VaultResponseError, says_version_is_unusable

_DIGEST_BYTES = 32

log = logging.getLogger(__name__)


class _PublicCertificate(NamedTuple):
    """One version of the certificate, without its private key."""

    version: str
    enabled: bool
    certificate: x509.Certificate
    key: RSAPublicKey


class _Signer(NamedTuple):
    """A version of the certificate, and the client that has its key sign."""

    public: _PublicCertificate
    vault: Any


class VaultKeyCredential:
    """A client credential whose private key stays in Key Vault. Thread-safe."""

    def __init__(self, source: CredentialSettings, now: Callable[[], float], authority: Authority) -> None:
        """Reads the certificate, and signs a first assertion. If the vault does not sign, the next source is tried.

        Raises:
            The errors of the vault and the identity; see credential_failures.
        """
        self.source_type, self._source, self._now = source.source_type, source, now
        self._client_id = authority.client_id
        self._url = source.key_vault_url.rstrip("/")
        # The vault's clients repeat the requests of the identity as well:
        self._identity = LateCredential(lambda: azure_credential(source.managed_identity_client_id, retries=0))
        self._signer = self._open()
        self._assertions = SignedAssertions(self._signed_assertion, source, now)
        self._assertions.sign(f"{authority.url}/oauth2/v2.0/token")

    @property
    def version(self) -> str:
        """The id of the version that signs."""
        return self._signer.public.version

    @property
    def broken_at(self) -> float:
        return self._assertions.broken_at

    def for_msal(self) -> dict[str, Any]:
        return {"client_assertion": self._assertion_for}

    def _assertion_for(self, context: dict[str, str]) -> str:
        """The assertion that MSAL asks for. MSAL names the token endpoint of its application: one per tenant."""
        return self._assertions.get(context["token_endpoint"])

    def _signed_assertion(self, token_endpoint: str, issued: float) -> str:
        """An assertion by the version in use, or by another one if that version was disabled, removed or has ended."""
        signer = self._signer
        try:
            return self._sign_with(signer, token_endpoint, issued)
        except HttpResponseError as error:
            if not says_version_is_unusable(error):
                raise
            other = self._open()
            if other.public.version == signer.public.version:
                raise
            self._signer = other
            return self._sign_with(other, token_endpoint, issued)

    def _sign_with(self, signer: _Signer, token_endpoint: str, issued: float) -> str:
        """Entra finds the certificate by `x5t#S256`. The signature is checked here, before Entra gets the assertion."""
        public = signer.public
        header = {"alg": "PS256", "typ": "JWT", "x5t#S256": _base64url(public.certificate.fingerprint(hashes.SHA256()))}
        claims = {
            "aud": token_endpoint,
            "iss": self._client_id,
            "sub": self._client_id,
            "jti": str(uuid.uuid4()),
            "iat": int(issued),
            "nbf": int(issued),
            "exp": int(issued) + ASSERTION_SECONDS,
        }
        text = f"{_base64url(compact(header).encode())}.{_base64url(compact(claims).encode())}"
        digest = hashlib.sha256(text.encode()).digest()
        try:
            signature = signer.vault.sign(SignatureAlgorithm.ps256, digest).signature
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), _DIGEST_BYTES)
            public.key.verify(signature, text.encode(), pss, hashes.SHA256())
        except (InvalidSignature, AttributeError, TypeError):  # the last two: JSON of another form
            raise VaultResponseError("the vault's signature does not fit the certificate") from None
        return f"{text}.{_base64url(signature)}"

    def _open(self) -> _Signer:
        """The newest enabled version, or the one before a version that Entra refused."""
        name, refused = self._source.key_vault_certificate_name, self._source.version_refused
        with KeyClient(self._url, self._identity, **azure_options()) as client:
            public = None if refused else self._read(client, "")
            if public is None or not public.enabled:
                version = newest_version(client.list_properties_of_key_versions(name), refused)
                public = self._read(client, version)
                if not refused:
                    log.warning(NEWEST_DISABLED)
        log_validity(self.source_type, public.certificate.not_valid_after_utc, self._now())
        numbers = public.key.public_numbers()
        key = KeyVaultKey(
            f"{self._url}/keys/{name}/{public.version}",
            {"kty": "RSA", "n": _bytes(numbers.n), "e": _bytes(numbers.e), "key_ops": ["sign"]},
        )
        return _Signer(public, CryptographyClient(key, self._identity, **azure_options()))

    def _read(self, client: KeyClient, version: str) -> _PublicCertificate:
        """A version of the certificate; "" is the newest. The key client sends the request with its own token."""
        path = f"certificates/{quote(self._source.key_vault_certificate_name, safe='')}/{quote(version, safe='')}"
        response = client.send_request(HttpRequest("GET", path.rstrip("/")))
        if response.status_code != 200:
            raise HttpResponseError(response=response)
        try:
            public = _public_certificate(response.json(), self._url, self._source.key_vault_certificate_name)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise VaultResponseError("the vault's response holds no certificate with an RSA key") from None
        if version and public.version != version:
            raise VaultResponseError("the vault's response is another version of the certificate")
        return public


def _public_certificate(body: Any, vault: str, name: str) -> _PublicCertificate:
    """The certificate in the vault's response. Raises many kinds of errors for a malformed one."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(body["cer"], validate=True))
    key, version = certificate.public_key(), body["id"].rpartition("/")[2]
    if not (isinstance(key, RSAPublicKey) and version.isascii() and version.isalnum()):
        raise ValueError
    named = normalized(body["id"]).lower(), normalized(body["kid"]).lower()
    if named != tuple(f"{vault}/{kind}/{name}/{version}".lower() for kind in ("certificates", "keys")):
        raise VaultResponseError("the vault named a certificate or a key of another place")
    return _PublicCertificate(version, body["attributes"]["enabled"] is True, certificate, key)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
