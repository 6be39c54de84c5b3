"""Handles a claims challenge of a downstream API: one more exchange, or a challenge for the client."""

from __future__ import annotations

from ..errors import ClaimsChallenge, InvalidToken
from ..exchange import DownstreamToken, Refusal
from ..sessions import RequestContext
from ..settings import Authority, DownstreamApiSettings


def token_with_claims(
    context: RequestContext, api: DownstreamApiSettings, claims: str, refused: DownstreamToken, authority: Authority
) -> DownstreamToken:
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
