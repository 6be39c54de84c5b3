"""Tokens that must not pass. The genuine one they are made from does pass, or the row would say nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.people import FABRIKAM
from emulators.stack import Stack

from ..subject import Subject

_STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_OTHER_ISSUER = f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"

FORGERIES: dict[str, Callable[[Stack], str]] = {
    "`alg: none`": lambda stack: stack.sign({"alg": "none"}, _claims(stack)),
    "HS256 with the public key": lambda stack: stack.sign({"alg": "HS256"}, _claims(stack)),
    "RS512 of Entra's key": lambda stack: stack.sign({"alg": "RS512"}, _claims(stack)),
    "a stranger's key": lambda stack: _by_stranger(stack),
    "a key in the header": lambda stack: _by_stranger(stack, jwk=_own_jwk()),
    "an unknown critical header": lambda stack: stack.sign({"crit": ["exp2"], "exp2": 1}, _claims(stack)),
    "changed claims": lambda stack: _tampered(stack),
    "another tenant": lambda stack: stack.issue_access_token("alice", tid=FABRIKAM, iss=_OTHER_ISSUER),
    "another API's token": lambda stack: stack.issue_access_token("alice", app="orders"),
    "Graph's token": lambda stack: stack.issue_access_token("alice", app="graph"),
    "an expired one": lambda stack: stack.issue_access_token("alice", lifetime=-3600),
    "one without `exp`": lambda stack: stack.issue_access_token("alice", exp=None),
    "one of tomorrow": lambda stack: stack.issue_access_token("alice", nbf=_claims(stack)["exp"] - 60),
    "an ID token": lambda stack: stack.issue_id_token("alice", audience="api"),
    "an app-only token": lambda stack: stack.issue_app_token(),
    "one without the scope": lambda stack: stack.issue_access_token("alice", scopes=["Other.Read"]),
    "a token bound to a key": lambda stack: stack.issue_access_token("alice", cnf={"kid": "device"}),
}


def forged(subject: Subject) -> str:
    """How many of them pass, and which."""
    peer, stack = subject.fresh(), subject.tenant.stack
    if not peer.validate(subject.tenant.token()).answered:
        raise AssertionError("the genuine token did not pass")
    passed = [name for name, make in FORGERIES.items() if peer.validate(make(stack)).answered]
    return f"{len(passed)} of {len(FORGERIES)}{': ' if passed else ''}{', '.join(passed)}"


def _claims(stack: Stack) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(stack.issue_access_token("alice"), options={"verify_signature": False})
    return claims


def _by_stranger(stack: Stack, **header: object) -> str:
    named = {"kid": stack.entra.keys.current.x5t, **header}
    return jwt.encode(_claims(stack), _STRANGER, "RS256", headers=named)


def _own_jwk() -> dict[str, Any]:
    described: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(_STRANGER.public_key(), as_dict=True)
    return described


def _tampered(stack: Stack) -> str:
    header, _, signature = stack.issue_access_token("alice").split(".")
    changed = json.dumps({**_claims(stack), "name": "somebody else"}).encode()
    return f"{header}.{base64.urlsafe_b64encode(changed).rstrip(b'=').decode()}.{signature}"


MEASUREMENTS = {"forged": forged}
