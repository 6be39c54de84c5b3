"""Reads WWW-Authenticate (RFC 9110, section 11.6.1) and finds Entra's claims challenge in it.

    WWW-Authenticate = #challenge
    challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
    auth-param       = token BWS "=" BWS ( token / quoted-string )

The field may hold several challenges, and commas separate both challenges and their parameters: a word starts a new
challenge exactly when no "=" follows it.
The claims challenge: https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # the grammar's `token`
_END = r"(?=[ \t]*(?:,|$))"
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)*")
_PARAMETER = re.compile(rf'(?P<name>{_WORD})[ \t]*=[ \t]*(?:(?P<word>{_WORD})|"(?P<quoted>(?:[^"\\]|\\.)*)"){_END}')
_SCHEME = re.compile(rf"(?P<scheme>{_WORD})(?:[ \t]+(?P<token68>[A-Za-z0-9\-._~+/]+=*){_END}|{_END}|[ \t]+)")


@dataclass(frozen=True)
class Challenge:
    """One challenge: the scheme and either its parameters (names in lower case) or its token68."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token68: str | None = None


def parse_challenges(header: str) -> list[Challenge]:
    """All challenges of a WWW-Authenticate field, in order. Raises ValueError where it departs from the grammar."""
    found: list[tuple[str, dict[str, str], str | None]] = []
    position = _skip_separators(header, 0)
    while position < len(header):
        if found and (parameter := _PARAMETER.match(header, position)):
            _add(found[-1][1], parameter)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme["scheme"], {}, scheme["token68"]))
            position = scheme.end()
        else:
            raise ValueError(f"WWW-Authenticate is malformed at character {position}")
        position = _skip_separators(header, position)
    return [Challenge(*parts) for parts in found]


def requested_claims(header: str | None) -> str | None:
    """The claims a 401 asks for, as the JSON text MSAL takes; None when the header holds no claims challenge.

    Raises ValueError when it does, but the claims cannot be read.
    """
    if not header:
        return None
    for challenge in parse_challenges(header):
        asked = challenge.parameters
        if challenge.scheme.lower() == "bearer" and asked.get("error") == "insufficient_claims" and "claims" in asked:
            return _decode(asked["claims"])
    return None


def _skip_separators(header: str, position: int) -> int:
    match = _SEPARATOR.match(header, position)
    return match.end() if match else position


def _add(parameters: dict[str, str], match: re.Match[str]) -> None:
    name = match["name"].lower()
    if name in parameters:  # RFC 9110, section 11.2: a name occurs once per challenge
        raise ValueError(f"WWW-Authenticate has {name} twice")
    quoted = match["quoted"]
    parameters[name] = match["word"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _decode(claims: str) -> str:
    # Entra and its libraries write standard base64; some services write the URL alphabet or drop the padding.
    text = claims.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError) as problem:
        raise ValueError("the claims in WWW-Authenticate are not base64 of JSON") from problem
    if not isinstance(decoded, dict):
        raise ValueError("the claims in WWW-Authenticate are not a JSON object")
    return json.dumps(decoded, separators=(",", ":"))
