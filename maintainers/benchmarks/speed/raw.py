"""The cryptography alone: the time that would remain if all other code took none."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


def verifying(token: str, key: RSAPublicKey) -> Callable[[], object]:
    """Verifies the signature of a token whose parts are decoded already."""
    text, _, encoded = token.rpartition(".")
    signed, signature = text.encode(), base64.urlsafe_b64decode(encoded + "==")
    padding, algorithm = PKCS1v15(), SHA256()
    return lambda: key.verify(signature, signed, padding, algorithm)


def signing(key: RSAPrivateKey) -> Callable[[], object]:
    """Signs as much as a client assertion has, with PS256."""
    text, algorithm = b"a" * 500, SHA256()
    padding = PSS(mgf=MGF1(SHA256()), salt_length=32)
    return lambda: key.sign(text, padding, algorithm)


def hashing(token: str) -> Callable[[], object]:
    """SHA-256 of a whole token."""
    return lambda: hashlib.sha256(token.encode()).digest()
