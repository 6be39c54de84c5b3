"""An access token for a downstream API: the token itself, why another one is needed, and what can bring one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Origin(Enum):
    """Where a token came from; the value is what the log says."""

    SESSION = "hit"
    SHARED_CACHE = "shared"
    ENTRA = "miss"


@dataclass(frozen=True, slots=True)
class DownstreamToken:
    """An access token for a downstream API; `expires_at` and `renew_at` in seconds since 1970.

    `granted`: a fingerprint of the scopes that Entra granted, by which two tokens are compared; see on_behalf_of.
    """

    token: str
    expires_at: float
    renew_at: float
    origin: Origin = Origin.ENTRA
    granted: str = ""

    def __repr__(self) -> str:
        return f"DownstreamToken(***, expires_at={self.expires_at:.0f})"


@dataclass(frozen=True, slots=True, repr=False)
class Refusal:
    """A downstream API did not accept `token`, so another one is to be exchanged.

    `claims`: what the API asks for in its claims challenge, as JSON text; "" when it sent none.
    `is_void`: the token is of no use any more, and is forgotten even if no other is to be had. Not so after a 403,
    which is about one call.
    """

    token: str
    claims: str = ""
    is_void: bool = True

    def digest(self) -> bytes:
        """The same for every thread that was refused this token with these claims; they share one exchange.

        A hash, because the name of a thread and the text of an error may show it.
        """
        return hashlib.sha256(f"{self.token} {self.claims}".encode()).digest()


class TokenSource(Protocol):
    """Brings a downstream token: Entra, or a cache in front of it."""

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        """See OnBehalfOf.exchange."""
        ...
