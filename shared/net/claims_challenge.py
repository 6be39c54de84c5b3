"""Parses claims challenges, and builds claims requests. Both name claims that the user's next token must have.

https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from .strict_json import compact, parse_object
from .transport import Response

MAX_CLAIMS_CHARS = 4 * 1024  # as base64 it must fit into a response header
_MAX_HEADER_CHARS = 16 * 1024
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SEPARATORS = re.compile(r"[\s,]*")  # a pattern of its own: inside the other it would be tried again at every comma
_PARAMETER = re.compile(
    rf'(?:(?P<scheme>{_WORD}) +)?(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s,"]*))'
)


def claims_of(response: Response) -> str:
    """The JSON text of a claims challenge (401, `error="insufficient_claims"`); empty when the response has none."""
    if response.status_code != 401:
        return ""
    for parameters in bearer_challenges(response.headers.get("WWW-Authenticate", "")):
        if parameters.get("error") == "insufficient_claims":
            return _decode(parameters.get("claims", ""))
    return ""


def bearer_challenges(header: str) -> Iterator[dict[str, str]]:
    """The parameters of each Bearer challenge in a WWW-Authenticate field, which may hold several (RFC 9110 §11.6.1).

    Text that does not follow the grammar is skipped, up to the next comma.
    """
    header = header[: 2 * _MAX_HEADER_CHARS]  # a part of a batch response can have one of 16 MiB
    scheme, parameters, position = "", dict[str, str](), 0
    while 0 <= position < min(len(header), _MAX_HEADER_CHARS):
        position = _SEPARATORS.match(header, position).end()  # type: ignore[union-attr]  # it also matches empty text
        match = _PARAMETER.match(header, position)
        if match is None:
            position = header.find(",", position) + 1 or -1
            continue
        if match["scheme"]:
            if scheme == "bearer":
                yield parameters
            scheme, parameters = match["scheme"].lower(), {}
        quoted = match["quoted"]
        value = match["word"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        parameters.setdefault(match["name"].lower(), value)
        position = match.end()
    if scheme == "bearer":
        yield parameters


def _decode(claims: str) -> str:
    encoded = claims.replace("-", "+").replace("_", "/")
    try:
        return requested_claims(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode())
    except ValueError:
        return ""


def auth_context_claims(auth_context: str) -> str:
    """The claims request for an authentication context, such as `c1`, which then shows in the claim `acrs`.

    https://learn.microsoft.com/entra/identity-platform/developer-guide-conditional-access-authentication-context
    """
    return compact({"access_token": {"acrs": {"essential": True, "value": auth_context}}})


def requested_claims(text: str) -> str:
    """A claims request (OpenID Connect Core §5.5) as compact JSON; empty if the text is none, or is too long."""
    try:
        request = parse_object(text.encode()) if len(text) <= MAX_CLAIMS_CHARS else {}
        is_request = bool(request) and all(isinstance(part, dict) for part in request.values())
        claims = compact(request) if is_request else ""
    except ValueError:
        return ""
    return claims if len(claims) <= MAX_CLAIMS_CHARS else ""  # JSON writes a character beyond ASCII as six
