"""A response of Entra's token endpoint: what of it MSAL gets to see, and what its members mean.

https://www.rfc-editor.org/rfc/rfc6749#section-5
"""

from __future__ import annotations

import hashlib
import re
import sys

from ..net import compact, parse_object

USUAL_LIFE_SECONDS, MAX_LIFE_SECONDS = 3600.0, 24 * 3600.0  # of a token whose life is not told; of any token
_NUMBER = re.compile(r"\d{1,300}(\.\d{1,300})?(e\+?\d{1,3})?", re.ASCII)

# All that is read of a response. The rest is kept from MSAL: it would decode an ID token, for example, and lose the
# access token when it cannot.
_MEMBERS = (
    *("access_token", "expires_in", "scope"),
    *("error", "error_codes", "suberror", "claims", "trace_id", "correlation_id"),
)


def written_anew(content: bytes, *, is_token: bool) -> bytes:
    """The JSON object that a response of Entra holds, as text that MSAL's parser reads in the same way.

    MSAL never sees the text that came: it logs what it cannot parse, access token and all.

    Args:
        is_token: whether it is a response of the token endpoint, of which only some members are kept.

    Raises:
        ValueError: it is not a JSON object in UTF-8, its `scope` is not text, or its `error` is malformed: MSAL sends
            each `error` in a header of later requests, and a malformed one would break them for all users.
    """
    body = parse_object(content)
    error, scope = body.get("error", ""), body.get("scope", "")
    if not (isinstance(error, str) and error.isascii() and (not error or error.replace("_", "").isalnum())):
        raise ValueError("error is not a word")
    if not isinstance(scope, str):
        raise ValueError("scope is not text")
    if is_token:
        body = {name: body[name] for name in _MEMBERS if name in body}
    return compact(body).encode()


def life_seconds(expires_in: object) -> float:
    """A token's life, from `expires_in`: a number, or the text of one, as some token servers send it.

    Without one it is an hour, and never more than a day. RFC 6749 §5.1 recommends the member but does not demand it.

    Raises:
        ValueError: it says something else, or that the token has ended.
    """
    if expires_in is None:
        return USUAL_LIFE_SECONDS
    text = str(expires_in)
    seconds = float(text) if _NUMBER.fullmatch(text) else 0.0
    if seconds < 1:
        raise ValueError("expires_in is not a number of seconds")
    return min(seconds, MAX_LIFE_SECONDS)


def fingerprint_of(scope: str) -> str:
    """The same for equal sets of granted scopes, in any order; short, as every token in memory has one.

    Without a `scope` Entra granted what was asked for (RFC 6749 §5.1).
    """
    names = " ".join(sorted(set(scope.split())))
    return sys.intern(hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:16])
