"""What an exchange takes and returns, in three types that other packages share.

`DownstreamToken` is the result. `Refusal` says why an API did not accept an earlier one. `TokenSource` is whatever can
do an exchange.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import Enum
from typing import Protocol


class Origin(Enum):
    """Where a token came from. The value is the word in the log."""

    SESSION = "hit"
    SHARED_CACHE = "shared"
    ENTRA = "miss"


class DownstreamToken:
    """An access token for a downstream API.

    `expires_at` and `renew_at` are in seconds since 1970.
    `granted` is a fingerprint of the scopes that Entra granted. It shows whether a new token has other scopes.
    """

    __slots__ = ("expires_at", "granted", "origin", "renew_at", "token")

    def __init__(
        self, token: str, expires_at: float, renew_at: float, origin: Origin = Origin.ENTRA, granted: str = ""
    ) -> None:
        self.token, self.expires_at, self.renew_at = token, expires_at, renew_at
        self.origin, self.granted = origin, granted

    def __repr__(self) -> str:
        return f"DownstreamToken(***, expires_at={self.expires_at:.0f})"

    def from_session(self) -> DownstreamToken:
        """This token, as a session returns it."""
        return DownstreamToken(self.token, self.expires_at, self.renew_at, Origin.SESSION, self.granted)

    def renewed_at(self, renew_at: float) -> DownstreamToken:
        """This token, with another time of renewal, in seconds since 1970."""
        return DownstreamToken(self.token, self.expires_at, renew_at, self.origin, self.granted)


class Refusal:
    """A downstream API did not accept `token`, so another one is needed.

    `claims` are the claims of the API's claims challenge, as JSON text, or "" without one.
    `is_void` is True if the token must not be used again, even if no other can be had. It is False after a 403, which
    is about one call.
    """

    __slots__ = ("claims", "is_void", "token")

    def __init__(self, token: str, claims: str = "", *, is_void: bool = True) -> None:
        self.token, self.claims, self.is_void = token, claims, is_void

    def digest(self) -> bytes:
        """Identifies the refusal: threads with the same token and claims share one exchange.

        The digest is a hash, because the name of a thread and the text of an error may show it.
        """
        return hashlib.sha256(f"{self.token} {self.claims}".encode()).digest()


class TokenSource(Protocol):
    """A source of downstream tokens of one tenant.

    services.py chooses the class: `OnBehalfOf`, or the Redis cache in front of that, `DistributedCache`.
    """

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """A token for the same user, for other scopes; see OnBehalfOf.exchange."""
        ...
