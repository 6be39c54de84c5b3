"""Handles a claims challenge of a downstream API: one more exchange, or a challenge for the client."""

from __future__ import annotations

from typing import Protocol, TypeVar

from ..errors import ClaimsChallenge, InvalidToken
from ..exchange import Refusal
from ..settings import Authority, DownstreamApiSettings


class BearerToken(Protocol):
    """A token that is sent to a downstream API: a user's, or the application's."""

    @property
    def token(self) -> str:
        """The token as text."""

    @property
    def granted(self) -> str:
        """A fingerprint of the scopes that Entra granted."""


T = TypeVar("T", bound=BearerToken, covariant=True)


class TokenGiver(Protocol[T]):
    """The source of a token, such as the context of a request."""

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> T:
        """A token for this API. After a refusal, another one."""


def token_with_claims(
    context: TokenGiver[T], api: DownstreamApiSettings, claims: str, refused: BearerToken, authority: Authority
) -> T:
    """A token that meets the claims. If Entra asks for a new sign-in, the client gets a challenge with these claims.

    Args:
        claims: what the API asks for, as JSON text.
        refused: the token that the API did not accept.
        authority: where the user signs in.
    """
    try:
        return context.token_for(api, Refusal(refused.token, claims))
    except InvalidToken as error:
        raise ClaimsChallenge(claims, authorization_uri=authority.authorization_uri, reason=error.reason) from None
