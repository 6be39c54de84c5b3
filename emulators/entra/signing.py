"""Entra's signing keys: which one signs, which ones are published, and how they roll over."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from typing import Any

import jwt

from ..certificates import Certificate, base64url, issue_certificate

KEPT_TOKENS = 256
"""How many tokens are neither parsed nor verified again when they come again."""
CLOUD, OTHER_CLOUD = "microsoftonline.com", "microsoftonline.us"


class Jws(jwt.PyJWS):
    """PyJWT, which would look at each character in Python. A segment has one text only, without `=` (RFC 7515 §2)."""

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        try:
            decoded = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        except binascii.Error:
            decoded = b""
        if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment:
            raise jwt.DecodeError(f"Invalid {name} padding")
        return decoded


JWS = Jws()


@cache
def _key_of_the_other_cloud() -> Certificate:
    """One for the whole process: nothing here is ever signed with it."""
    return issue_certificate("accounts.accesscontrol.windows.us", time.time(), days=1825)


class SigningKeys:
    """One key signs; every published key is accepted. The key id is the certificate's thumbprint, as at Entra.

    Like Entra's, the key set also lists a key of another cloud, with the public cloud's issuer. Only its
    `cloud_instance_name` says that it must not sign tokens of this cloud.
    """

    def __init__(self, first: Certificate) -> None:
        self.of_another_cloud = _key_of_the_other_cloud()
        self._lock = threading.Lock()
        self._published: list[Certificate] = [first]
        self.of_applications: dict[str, Certificate] = {}
        """By client id: a key of its own that signs for the application. It is listed with `?appid=` alone."""

    @property
    def current(self) -> Certificate:
        """The key that signs."""
        with self._lock:
            return self._published[-1]

    def find(self, kid: object) -> Certificate | None:
        """The published key with this id, or None."""
        with self._lock:
            every = [*self._published, *self.of_applications.values()]
            return next((key for key in every if key.x5t == kid), None)

    def roll(self, now: float, *, withdraw_old: bool = False) -> str:
        """Lets a new key sign from now on and returns its id; the old ones stay published unless withdrawn."""
        fresh = issue_certificate("accounts.accesscontrol.windows.net", now, days=1825)
        with self._lock:
            self._published = [fresh] if withdraw_old else [*self._published, fresh]
        return fresh.x5t

    def sign(self, header: Mapping[str, object], payload: Mapping[str, object]) -> str:
        """A JWT over `payload`. `header` adds to the usual one or changes it; None removes a field.

        `alg` decides how: RS* and PS* with the current key, `none` without a signature. HS* uses the public key as the
        secret, as a forger does.
        """
        signer = self.current
        usual: dict[str, object] = {"typ": "JWT", "alg": "RS256", "kid": signer.x5t}
        merged = {name: value for name, value in {**usual, **header}.items() if value is not None}
        algorithm = str(merged.get("alg", "RS256"))
        if algorithm.startswith("HS"):
            return _with_hmac(merged, payload, signer.der)
        key: Any = signer.key if algorithm != "none" else None
        return jwt.encode(dict(payload), key, algorithm, headers=dict(merged))

    def sign_for_graph(self, header: Mapping[str, object], payload: Mapping[str, object]) -> str:
        """A JWT with a `nonce` in its header, whose hash is signed in its place. So Graph alone can check it."""
        nonce = base64url(secrets.token_bytes(32))
        token = self.sign({**header, "nonce": _hashed(nonce)}, payload)
        own = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        return _with_nonce(token, own, nonce)

    def document(self, issuer: str, without: Collection[str] = (), client_id: str = "") -> dict[str, object]:
        """The JSON Web Key Set, less the key ids in `without`; `issuer` names the tenant the keys are valid for.

        `client_id`: of the application whose own key is listed as well.
        """
        with self._lock:
            own = self.of_applications.get(client_id)
            published = [*self._published, *([own] if own else [])]
        keys = [_public_jwk(key, issuer, CLOUD) for key in published]
        keys.append(
            _public_jwk(self.of_another_cloud, "https://login.microsoftonline.com/{tenantid}/v2.0", OTHER_CLOUD)
        )
        return {"keys": [key for key in keys if key["kid"] not in without]}


@lru_cache(maxsize=KEPT_TOKENS)
def unchecked_parts(token: str) -> tuple[Mapping[str, Any], bytes]:
    """The header and the payload of a token whose signature is not checked. Raises verification.UNREADABLE."""
    parts = JWS.decode_complete(token, options={"verify_signature": False})
    return parts["header"], parts["payload"]


def as_signed(token: str) -> str:
    """What the signature of a token is over: with a `nonce` in its header, the token with the hash of that."""
    header, _ = unchecked_parts(token)
    nonce = header.get("nonce")
    return _with_nonce(token, header, _hashed(nonce)) if isinstance(nonce, str) else token


def _with_nonce(token: str, header: Mapping[str, Any], nonce: str) -> str:
    changed = {**header, "nonce": nonce}
    return f"{base64url(json.dumps(changed, separators=(',', ':')).encode())}.{token.partition('.')[2]}"


def _hashed(nonce: str) -> str:
    return base64url(hashlib.sha256(nonce.encode()).digest())


def _with_hmac(header: Mapping[str, object], payload: Mapping[str, object], secret: bytes) -> str:
    """By hand, because PyJWT rightly refuses a public key as a secret."""
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[str(header["alg"])]
    return f"{signed}.{base64url(hmac.new(secret, signed.encode(), digest).digest())}"


def _public_jwk(certificate: Certificate, issuer: str, cloud: str) -> dict[str, object]:
    numbers = certificate.key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": certificate.x5t,
        "x5t": certificate.x5t,
        "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        "e": base64url(numbers.e.to_bytes(3, "big")),
        "x5c": [base64.b64encode(certificate.der).decode()],
        "cloud_instance_name": cloud,
        "issuer": issuer,
    }
