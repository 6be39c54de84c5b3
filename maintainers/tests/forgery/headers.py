"""The sender's own key in the header, and rules for the verifier."""

from __future__ import annotations

import base64
import json
import zlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from emulators.certificates import issue_certificate
from tests.support.genuine import GONE, Genuine, Row, header_rows, public_jwk, standard_base64
from tests.support.tokens import STRANGER, encoded

EVIL = "https://evil.example/keys"
_THEIRS = issue_certificate("evil.example", 1_700_000_000)

OWN_KEYS: dict[str, dict[str, object]] = {
    "jwk": {"jwk": public_jwk(STRANGER.public_key())},
    "jwk with a kid": {"jwk": public_jwk(STRANGER.public_key(), kid="evil", use="sig", alg="RS256")},
    "jwk of a shared secret": {"jwk": {"kty": "oct", "k": "AAAA"}},
    "jwk null": {"jwk": None},
    "jwk empty": {"jwk": {}},
    "jku": {"jku": EVIL},
    "jku with Entra as the user": {"jku": "https://login.microsoftonline.com@evil.example/keys"},
    "jku below Entra": {"jku": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?redirect_uri=" + EVIL},
    "jku of a file": {"jku": "file:///etc/passwd"},
    "x5u": {"x5u": EVIL},
    "x5c": {"x5c": [standard_base64(_THEIRS.der)]},
    "x5c empty": {"x5c": []},
}

RULES: dict[str, dict[str, object]] = {
    "crit empty": {"crit": []},
    "crit exp": {"crit": ["exp"]},
    "crit unknown": {"crit": ["http://evil.example/rule"], "http://evil.example/rule": 1},
    "crit as text": {"crit": "exp"},
    "crit null": {"crit": None},
    "crit as object": {"crit": {}},
    "crit twice the same": {"crit": ["exp", "exp"]},
    "b64 true": {"b64": True},
    "b64 false": {"b64": False},
    "b64 as text": {"b64": "false"},
    "b64 null": {"b64": None},
    "b64 false and critical": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
    "zip null": {"zip": None},
}

TYPES: dict[str, dict[str, object]] = {
    f"typ: {name}": {"typ": typ}
    for name, typ in {
        "a logout token": "logout+jwt",
        "a proof of possession": "dpop+jwt",
        "an event": "secevent+jwt",
        "an event, in full": "application/secevent+jwt",
        "a client assertion": "client-authentication+jwt",
        "JWE": "JWE",
        "JOSE": "JOSE",
        "JSON serialization": "JOSE+JSON",
        "empty": "",
        "application/": "application/",
        "twice application/": "application/application/jwt",
        "of another tree": "text/jwt",
        "with a parameter": "JWT; charset=utf-8",
        "with a space": "JWT ",
        "with NUL": "JWT\x00",
        "in full-width letters": "\uff2a\uff37\uff34",
        "null": None,
        "a number": 5,
        "true": True,
        "a list": ["JWT"],
        "an object": {"JWT": 1},
    }.items()
}
"""RFC 8725 §3.11: a token that was made for something else says so."""


def _by_a_stranger(changes: dict[str, object]) -> Row:
    return lambda g: g.token(header={**g.header, **changes}, key=STRANGER)


def _compressed(g: Genuine) -> str:
    return g.token(header={**g.header, "zip": "DEF"}, claims=_deflated(json.dumps(dict(g.claims)).encode()))


def _bomb(g: Genuine) -> str:
    """Ten megabytes of claims in ten kilobytes."""
    return g.token(header={**g.header, "zip": "DEF"}, claims=_deflated(b" " * 10_000_000))


def _deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def _unencoded_payload(g: Genuine) -> str:
    """RFC 7797: the payload as it is, without base64, and critical as it must be."""
    header = encoded({**g.header, "b64": False, "crit": ["b64"]})
    text = f"{header}.{json.dumps(dict(g.claims)).replace('.', '')}"
    return f"{text}.{encoded(g.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _their_certificate(g: Genuine) -> str:
    """Certificate, thumbprint and key id of the sender's own: all of it fits together."""
    header = {"alg": "RS256", "typ": "JWT", "kid": g.header["kid"], "x5t": _THEIRS.x5t}
    return g.token(header={**header, "x5c": [base64.b64encode(_THEIRS.der).decode()]}, key=_THEIRS.key)


ROWS: dict[str, Row] = {
    **header_rows({f"{name}, under a good signature": changes for name, changes in (OWN_KEYS | RULES | TYPES).items()}),
    **{f"{name}, under the sender's own signature": _by_a_stranger(changes) for name, changes in OWN_KEYS.items()},
    "jwk of Entra's own key": lambda g: g.with_header(jwk=public_jwk(g.key.public_key())),
    "a whole certificate of one's own": _their_certificate,
    "a compressed payload": _compressed,
    "a compressed payload that bursts": _bomb,
    "a payload without base64": _unencoded_payload,
    "a token inside a token": lambda g: g.token(header={**g.header, "cty": "JWT"}, claims=g.token().encode()),
}

CONTROLS: dict[str, Row] = header_rows(
    {
        f"typ: {typ}": {"typ": typ}
        for typ in ("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT", "application/jwt")
    }
    | {"no typ": {"typ": GONE}}
)
