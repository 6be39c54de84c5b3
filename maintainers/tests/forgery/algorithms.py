"""Other algorithms than RS256: `none`, a public key as a shared secret, and many spellings."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.genuine import GONE, Genuine, Row, header_rows, number, public_jwk, public_text
from tests.support.tokens import encoded

SPELLINGS: dict[str, object] = {
    "lower case": "rs256",
    "mixed case": "Rs256",
    "a space after": "RS256 ",
    "a space before": " RS256",
    "a line break after": "RS256\n",
    "NUL after": "RS256\x00",
    "full-width letters": "\uff32\uff33\uff12\uff15\uff16",
    "a Cyrillic letter": "R\u0405256",
    "a combining mark": "RS256\u0301",
    "two in one": "RS256,none",
    "none": "none",
    "None": "None",
    "NONE": "NONE",
    "nOnE": "nOnE",
    "empty": "",
    "HS256": "HS256",
    "ES256": "ES256",
    "EdDSA": "EdDSA",
    "dir": "dir",
    "RSA-OAEP": "RSA-OAEP",
    "null": None,
    "true": True,
    "a number": 256,
    "a list": ["RS256"],
    "a list of two": ["none", "RS256"],
    "an object": {"RS256": True},
    "none at all": GONE,
}

SECRETS: dict[str, Callable[[rsa.RSAPublicKey], bytes]] = {
    "DER": lambda key: public_text(key, Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "PEM": lambda key: public_text(key, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "PEM without a line break at the end": lambda key: _pem(key).rstrip(),
    "PEM with CR LF": lambda key: _pem(key).replace(b"\n", b"\r\n"),
    "PKCS #1 DER": lambda key: public_text(key, Encoding.DER, PublicFormat.PKCS1),
    "PKCS #1 PEM": lambda key: public_text(key, Encoding.PEM, PublicFormat.PKCS1),
    "JWK": lambda key: json.dumps(public_jwk(key), separators=(",", ":")).encode(),
    "the modulus": lambda key: key.public_numbers().n.to_bytes(256, "big"),
    "the modulus as in the JWK": lambda key: number(key.public_numbers().n).encode(),
    "nothing": lambda _: b"",
}


def _pem(key: rsa.RSAPublicKey) -> bytes:
    return public_text(key, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _with_hmac(algorithm: str, secret: Callable[[rsa.RSAPublicKey], bytes]) -> Row:
    digest = algorithm.replace("HS", "sha").lower() if algorithm.startswith("HS") else "sha256"
    return lambda g: g.with_signature(lambda text: hmac.digest(secret(g.key.public_key()), text, digest), alg=algorithm)


def _with_rsa(algorithm: str, how: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Row:
    return lambda g: g.with_signature(lambda text: g.key.sign(text, how, digest), alg=algorithm)


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)


def _unsigned(algorithm: object) -> Row:
    return lambda g: f"{g.text(alg=algorithm)}."


def _certificate(g: Genuine) -> str:
    return g.with_signature(lambda text: hmac.digest(g.certificate.der, text, "sha256"), alg="HS256")


ROWS: dict[str, Row] = {
    **header_rows({f"{name}, under a good signature": {"alg": alg} for name, alg in SPELLINGS.items()}),
    **{f"{name}, unsigned": _unsigned(alg) for name, alg in SPELLINGS.items()},
    **{f"HS256 with the public key: {name}": _with_hmac("HS256", secret) for name, secret in SECRETS.items()},
    **{f"{alg} with the public key: PEM": _with_hmac(alg, SECRETS["PEM"]) for alg in ("HS384", "HS512", "RS256")},
    "HS256 with the certificate": _certificate,
    "RS384": _with_rsa("RS384", padding.PKCS1v15(), hashes.SHA384()),
    "RS512": _with_rsa("RS512", padding.PKCS1v15(), hashes.SHA512()),
    "PS256": _with_rsa("PS256", _pss(hashes.SHA256()), hashes.SHA256()),
    "PS512": _with_rsa("PS512", _pss(hashes.SHA512()), hashes.SHA512()),
    "RS256 by name, RS384 by signature": _with_rsa("RS256", padding.PKCS1v15(), hashes.SHA384()),
    "RS256 by name, RS512 by signature": _with_rsa("RS256", padding.PKCS1v15(), hashes.SHA512()),
    "RS256 by name, SHA-1 by signature": _with_rsa("RS256", padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303
    "RS256 by name, PS256 by signature": _with_rsa("RS256", _pss(hashes.SHA256()), hashes.SHA256()),
    "ES256 of a stranger": lambda g: g.with_signature(_elliptic, alg="ES256"),
    "ES256 of zeros": lambda g: g.with_signature(lambda _: bytes(64), alg="ES256"),
    "EdDSA of a stranger": lambda g: g.with_signature(ed25519.Ed25519PrivateKey.generate().sign, alg="EdDSA"),
    "JWE by name": lambda g: g.with_header(alg="RSA-OAEP", enc="A256GCM"),
    "a password hashed a billion times": lambda g: g.with_header(
        alg="PBES2-HS256+A128KW", enc="A128GCM", p2c=10**9, p2s=encoded(b"salt")
    ),
}


def _elliptic(text: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(text, ec.ECDSA(hashes.SHA256()))
