"""What Graph asks of a token beyond its signature: that its sign-in still holds, and did enough.

https://learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation
https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .applications import GRAPH_ID
from .certificates import base64url
from .entra.claims import BACKDATE
from .graph_routes import GraphError

RESULT = "Continuous access evaluation resulted in challenge with result: InteractionRequired"
_REVOKED = f"{RESULT} and code: TokenIssuedBeforeRevocationTimestamp"
_CAE_ERROR = {"value": "10012"}
_AT = f'realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="{GRAPH_ID}"'


def bearer_challenge(claims: Mapping[str, object], description: str = "") -> str:
    """The value of WWW-Authenticate that asks for these claims."""
    encoded = base64.b64encode(json.dumps(claims).encode()).decode()
    told = f'error_description="{description}", ' if description else ""
    return f'Bearer {_AT}, {told}error="insufficient_claims", claims="{encoded}"'


class ContinuousAccess:
    """Checks every token at each request. A client that has not declared cp1 is never challenged."""

    def __init__(self) -> None:
        self._required: str | None = None

    @contextmanager
    def requiring(self, auth_context: str) -> Iterator[None]:
        """Within it, tokens without this authentication context (`acrs`) are refused."""
        self._required = auth_context
        try:
            yield
        finally:
            self._required = None

    def check(self, token: Mapping[str, Any], revoked_at: float | None) -> None:
        """Raises GraphError for a token that was revoked, or that lacks a required claim."""
        is_capable = "cp1" in (str(name).lower() for name in token.get("xms_cc", ()))
        if is_capable and revoked_at is not None and float(token["iat"]) + BACKDATE < revoked_at:
            later = {"essential": True, "value": str(int(revoked_at))}
            raise _challenged({"nbf": later, "xms_caeerror": _CAE_ERROR}, _REVOKED, after_another=True)
        if self._required is not None and self._required not in token.get("acrs", ()):
            if not is_capable:
                raise GraphError(403, "accessDenied", "The authentication context is missing.")
            raise _challenged({"acrs": {"essential": True, "value": self._required}}, RESULT)


def _challenged(wanted: Mapping[str, object], description: str, *, after_another: bool = False) -> GraphError:
    """Graph's 401. It may put a challenge for another scheme before the one for bearer tokens, in one field."""
    bearer = bearer_challenge({"access_token": wanted}, description)
    another = f'PoP {_AT}, nonce="{base64url(secrets.token_bytes(48))}", ' if after_another else ""
    return GraphError(401, "InvalidAuthenticationToken", f"{description}.", another + bearer)
