"""Makes forged tokens: any header and any claims, signed by any key, without the checks of a library."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(value: object) -> str:
    """One segment of a token: base64url over JSON, or over bytes as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, unverified."""
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def signed(header: object, claims: object, key: rsa.RSAPrivateKey = STRANGER) -> str:
    """An RS256 signature over exactly this header and these claims, even if the header names another algorithm."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
