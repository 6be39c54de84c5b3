"""A claims challenge: what Entra must see before a user is let in, from a downstream API or from Entra itself.

https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from __future__ import annotations

import base64

from requests.utils import parse_dict_header

from .strict_json import compact, parse_object
from .transport import Answer

MAX_CLAIMS_CHARS = 4 * 1024  # base64 of it must fit into a response header


def claims_of(answer: Answer) -> str:
    """The JSON text of a claims challenge (401, `error="insufficient_claims"`); empty when the answer holds none."""
    if answer.status_code != 401:
        return ""
    header = answer.headers.get("WWW-Authenticate", "").partition(" ")[2]
    parameters: dict[str, str | None] = parse_dict_header(header)  # type: ignore[no-untyped-call]  # requests' own
    encoded = (parameters.get("claims") or "").replace("-", "+").replace("_", "/")
    if parameters.get("error") != "insufficient_claims" or len(encoded) > 2 * MAX_CLAIMS_CHARS:
        return ""
    try:
        return requested_claims(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode())
    except ValueError:
        return ""


def requested_claims(text: str) -> str:
    """A claims request (OpenID Connect Core §5.5) as compact JSON; empty when the text is none or is too long."""
    try:
        request = parse_object(text.encode()) if len(text) <= MAX_CLAIMS_CHARS else {}
    except ValueError:
        return ""
    is_request = bool(request) and all(isinstance(part, dict) for part in request.values())
    return compact(request) if is_request else ""
