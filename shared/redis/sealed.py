"""Encrypts a downstream token with a key derived from the caller's token, so that Redis cannot read or forge it.

Name and key are derived from the caller's whole access token by HKDF (RFC 5869). Only Entra can compute the signature
in that token. Neither name nor key reveals the other. The content is AES-256-GCM (NIST SP 800-38D).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE = b"on-behalf-of token cache, version 1\x00"
_KEY_BYTES = 32
_NAME_BYTES = 32
_NONCE_BYTES = 12  # random: one key seals a handful of times


@dataclass(frozen=True, repr=False)
class Seal:
    """The name of one entry, and the means to seal and open it."""

    name: str
    _key: bytes
    _binding: bytes

    @classmethod
    def of(cls, assertion: str, binding: bytes) -> Seal:
        """The seal for this assertion. `binding` names tenant, client and scopes; each binding has another seal."""
        derived = HKDF(SHA256(), _NAME_BYTES + _KEY_BYTES, None, _PURPOSE + binding).derive(assertion.encode())
        return cls(derived[:_NAME_BYTES].hex(), derived[_NAME_BYTES:], _PURPOSE + binding)

    def close(self, content: bytes) -> bytes:
        """The content, encrypted."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, content, self._binding)

    def open(self, sealed: bytes) -> bytes | None:
        """The content. None if it was encrypted with another seal, or was changed."""
        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._binding)
        except (InvalidTag, ValueError):
            return None
