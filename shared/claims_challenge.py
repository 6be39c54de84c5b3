"""A downstream API's claims challenge: what Entra must see before the API lets the user in.

https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from __future__ import annotations

import base64
import binascii
import json

from requests.utils import parse_dict_header

from .transport import Answer

MAX_CLAIMS_CHARS = 8 * 1024


def claims_of(answer: Answer) -> str:
    """The JSON text of a claims challenge (401, `error="insufficient_claims"`); empty when the answer holds none."""
    if answer.status_code != 401:
        return ""
    parameters: dict[str, str | None] = parse_dict_header(answer.headers.get("WWW-Authenticate", "").partition(" ")[2])  # type: ignore[no-untyped-call]  # requests leaves it untyped
    encoded = parameters.get("claims") or ""
    if parameters.get("error") != "insufficient_claims" or not 0 < len(encoded) <= MAX_CLAIMS_CHARS:
        return ""
    try:
        text = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4), validate=True)
        return text.decode() if isinstance(json.loads(text), dict) else ""
    except (binascii.Error, ValueError, RecursionError):
        return ""
