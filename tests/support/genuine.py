"""The parts of a genuine token, and ways to join changed parts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emulators.certificates import Certificate
from emulators.entra.claims import BACKDATE
from tests.support.tokens import encoded, parts, signed

GONE = object()
"""As the value of a member: there is no such member. None is JSON's null."""


@dataclass(frozen=True)
class Genuine:
    """A genuine token's parts, and the key that signed it."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    certificate: Certificate

    @classmethod
    def taken_apart(cls, token: str, certificate: Certificate) -> Genuine:
        header, claims = parts(token)
        return cls(header, claims, certificate)

    @property
    def made_at(self) -> int:
        """When it was issued; Entra dates tokens back a little, for machines whose clock is slow."""
        return int(self.claims["iat"]) + BACKDATE

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return self.certificate.key

    def token(self, header: object = None, claims: object = None, key: rsa.RSAPrivateKey | None = None) -> str:
        """These parts (a mapping, or JSON text as bytes), the others as they were, under a valid signature."""
        return signed(
            dict(self.header) if header is None else header,
            dict(self.claims) if claims is None else claims,
            key or self.key,
        )

    def with_header(self, **changes: object) -> str:
        return self.token(header=changed(self.header, changes))

    def with_claims(self, **changes: object) -> str:
        return self.token(claims=changed(self.claims, changes))

    def with_claim_text(self, name: str, text: str) -> str:
        """A claim whose value is exactly this JSON text, valid or not."""
        return self.token(claims=json.dumps({**self.claims, name: "@"}).replace('"@"', text).encode())

    def text(self, **header: object) -> str:
        """What is signed: header and claims, encoded."""
        return f"{encoded(changed(self.header, header))}.{encoded(dict(self.claims))}"

    def with_signature(self, signature: Callable[[bytes], bytes], **header: object) -> str:
        """The signature that `signature` makes of what is to be signed."""
        text = self.text(**header)
        return f"{text}.{encoded(signature(text.encode()))}"

    def signature(self) -> bytes:
        """Of header and claims as they are."""
        return self.key.sign(self.text().encode(), padding.PKCS1v15(), hashes.SHA256())


Row = Callable[[Genuine], str]


def changed(members: Mapping[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not GONE}


def header_rows(values: Mapping[str, Mapping[str, object]]) -> dict[str, Row]:
    """A row for each: genuine, but for these members of the header."""
    return {name: lambda g, changes=changes: g.with_header(**changes) for name, changes in values.items()}  # type: ignore[misc]


def public_jwk(key: rsa.RSAPublicKey, **members: object) -> dict[str, Any]:
    """As a JWKS publishes it."""
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **members}


def number(value: int) -> str:
    """Base64urlUInt of RFC 7518 §2."""
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def public_text(key: rsa.RSAPublicKey, encoding: Encoding, form: PublicFormat) -> bytes:
    return key.public_bytes(encoding, form)


def standard_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
